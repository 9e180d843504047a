"""The same agent as a graph of LangGraph."""

from __future__ import annotations

from typing import Any, TypedDict

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from benchmarks.wall import task
from civitas.frameworks import idempotency_key

__all__ = ["CONFIG", "make_graph"]

CONFIG = {"recursion_limit": 10_000}


class State(MessagesState):
    """All of the run."""

    output: str


class Answer(TypedDict):
    """What it answers with. Otherwise that is its state, which is kept once more as the answer of the run."""

    output: str


@tool("look")
def look(number: int) -> str:
    """Look up a number."""
    return task.look(number, idempotency_key())


def make_graph() -> Any:
    """A model that calls a tool until it is content."""
    model = ChatOpenAI(model="scripted").bind_tools([look])

    async def think(state: State) -> Any:
        said = await model.ainvoke(state["messages"])
        return {"messages": [said], "output": str(said.content)}

    builder = StateGraph(State, output_schema=Answer)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    return builder.compile()
