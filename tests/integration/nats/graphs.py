"""A graph in which a human is asked before it ends."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt


async def think(state: MessagesState) -> Any:
    return {"messages": [AIMessage("Roses are red.")]}


async def approve(state: MessagesState) -> Any:
    said = interrupt({"draft": state["messages"][-1].content})
    return {"messages": [AIMessage(f"You said {said}.")]}


def made() -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("approve", approve)
    graph.add_edge(START, "think")
    graph.add_edge("think", "approve")
    graph.add_edge("approve", END)
    return graph.compile()
