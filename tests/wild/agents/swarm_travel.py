"""langgraph-swarm: a flight desk and a hotel desk that hand over to each other."""

from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from langgraph_swarm import create_handoff_tool, create_swarm

model = ChatOpenAI(model="gpt-4o")


def book_flight(to: str) -> str:
    """Book a flight."""
    return f"A flight to {to} is booked."


def book_hotel(city: str) -> str:
    """Book a hotel."""
    return f"A hotel in {city} is booked."


flights = create_react_agent(
    model,
    [book_flight, create_handoff_tool(agent_name="hotels", description="To book hotels.")],
    prompt="You book flights.",
    name="flights",
)
hotels = create_react_agent(
    model,
    [book_hotel, create_handoff_tool(agent_name="flights", description="To book flights.")],
    prompt="You book hotels.",
    name="hotels",
)
graph = create_swarm([flights, hotels], default_active_agent="flights").compile()
