"""A graph that comes by boundaries of every kind: models, tools, nodes, a handoff, a human, an agent elsewhere."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from civitas_langgraph import agent_tool
from tests.integration.killed.world import MODELS, did


@tool
def search(text: str) -> str:
    """Search."""
    return did("search")


@tool
def fetch(text: str) -> str:
    """Fetch."""
    return did("fetch")


@tool
def file(text: str) -> str:
    """File it."""
    return did("file")


_helper = agent_tool("helper", description="Helps.")


def _asks(name: str, *tools: Any) -> Any:
    async def ask(state: MessagesState) -> Any:
        url = os.environ[MODELS]
        model = ChatOpenAI(model=name, base_url=url, api_key="x", max_retries=0)  # type: ignore[arg-type]
        return {"messages": [await model.bind_tools(tools).ainvoke(state["messages"])]}

    return ask


def _then(tools: str, end: str) -> Any:
    def choose(state: MessagesState) -> str:
        return tools if getattr(state["messages"][-1], "tool_calls", None) else end

    return choose


def _approve(state: MessagesState) -> Any:
    answer = interrupt({"draft": state["messages"][-1].content})
    return Command(goto="write", update={"messages": [HumanMessage(answer)]})


def clerk() -> Any:
    """The graph."""
    builder = StateGraph(MessagesState)
    builder.add_node("think", _asks("clerk", search, fetch, _helper))
    builder.add_node("tools", ToolNode([search, fetch, _helper]))
    builder.add_node("approve", _approve, destinations=("write",))
    builder.add_node("write", _asks("writer", file))
    builder.add_node("filing", ToolNode([file]))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", _then("tools", "approve"), ["tools", "approve"])
    builder.add_edge("tools", "think")
    builder.add_conditional_edges("write", _then("filing", END), ["filing", END])
    builder.add_edge("filing", "write")
    return builder.compile()
