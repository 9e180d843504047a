"""Customer support of an airline: safe tools run, sensitive ones wait for the customer."""

from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode, tools_condition


@tool
def fetch_user_flight_information() -> list[dict[str, str]]:
    """Fetch the flights of the customer."""
    return [{"ticket": "7240005432906569", "flight": "LX0112", "seat": "18E"}]


@tool
def update_ticket_to_new_flight(ticket: str, flight: str) -> str:
    """Book a ticket onto another flight."""
    return f"Ticket {ticket} is now for {flight}."


safe, sensitive = [fetch_user_flight_information], [update_ticket_to_new_flight]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    user_info: list[dict[str, str]]


prompt = ChatPromptTemplate.from_messages(
    [
        ("system", "You support customers of an airline. They are: {user_info}"),
        ("placeholder", "{messages}"),
    ]
)
runnable = prompt | ChatOpenAI(model="gpt-4o").bind_tools(safe + sensitive)


def user_info(state: State):
    return {"user_info": fetch_user_flight_information.invoke({})}


async def assistant(state: State):
    return {"messages": await runnable.ainvoke(state)}


def route_tools(state: State):
    if tools_condition(state) == END:
        return END
    names = {each.name for each in sensitive}
    call = state["messages"][-1].tool_calls[0]
    return "sensitive_tools" if call["name"] in names else "safe_tools"


builder = StateGraph(State)
builder.add_node("fetch_user_info", user_info)
builder.add_node("assistant", assistant)
builder.add_node("safe_tools", ToolNode(safe))
builder.add_node("sensitive_tools", ToolNode(sensitive))
builder.add_edge(START, "fetch_user_info")
builder.add_edge("fetch_user_info", "assistant")
builder.add_conditional_edges("assistant", route_tools, ["safe_tools", "sensitive_tools", END])
builder.add_edge("safe_tools", "assistant")
builder.add_edge("sensitive_tools", "assistant")
graph = builder.compile(interrupt_before=["sensitive_tools"])
