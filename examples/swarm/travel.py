"""A travel agency: langgraph-swarm's desks, which hand a customer over to each other."""

import os

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph_swarm import create_handoff_tool, create_swarm

from civitas.frameworks import idempotency_key

booked: dict[str, str] = {}
"""Stands for what is booked elsewhere, where an idempotency key is known when it comes again."""


def book_flight(city: str) -> str:
    """Book a flight.

    Args:
        city: Where to.
    """
    booked.setdefault(f"{idempotency_key()} flight", city)
    return f"The flight to {city} is booked."


def book_hotel(city: str) -> str:
    """Book a hotel.

    Args:
        city: Where.
    """
    booked.setdefault(f"{idempotency_key()} hotel", city)
    return f"The hotel in {city} is booked."


model = ChatOpenAI(
    model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
    max_retries=0,  # the topology says how often
    stream_usage=True,  # so that budgets see what a stream used
)
flights = create_agent(
    model,
    [book_flight, create_handoff_tool(agent_name="hotels", description="For hotels.")],
    system_prompt="You book flights, and nothing else.",
    name="flights",
)
hotels = create_agent(
    model,
    [book_hotel, create_handoff_tool(agent_name="flights", description="For flights.")],
    system_prompt="You book hotels, and nothing else.",
    name="hotels",
)
graph = create_swarm([flights, hotels], default_active_agent="flights").compile()
