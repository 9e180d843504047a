"""trustcall: a node that extracts a profile, and has it patched where it does not validate."""

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel, Field
from trustcall import create_extractor


class Profile(BaseModel):
    """What is known of a user."""

    name: str
    hobbies: list[str] = Field(min_length=1)


class State(MessagesState):
    profile: dict


extractor = create_extractor(
    ChatOpenAI(model="gpt-4o-mini"), tools=[Profile], tool_choice="Profile"
)


async def extract(state: State):
    found = await extractor.ainvoke({"messages": state["messages"]})
    return {"profile": found["responses"][0].model_dump()}


builder = StateGraph(State)
builder.add_node(extract)
builder.add_edge(START, "extract")
builder.add_edge("extract", END)
graph = builder.compile()
