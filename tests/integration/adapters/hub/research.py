"""A graph of LangGraph whose model calls the crew as a tool."""

from __future__ import annotations

from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel, Field

from civitas_langgraph import agent_tool


class Order(BaseModel):
    """What the crew needs to know."""

    topic: str = Field(description="What to write about")


_tools = [agent_tool("writer", description="Writes a text", parameters=Order)]
_model = ChatOpenAI(model="m1", max_retries=0).bind_tools(_tools)


async def think(state: MessagesState) -> Any:
    return {"messages": [await _model.ainvoke(state["messages"])]}


_builder = StateGraph(MessagesState)
_builder.add_node(think)
_builder.add_node("tools", ToolNode(_tools))
_builder.add_edge(START, "think")
_builder.add_conditional_edges("think", tools_condition)
_builder.add_edge("tools", "think")
graph = _builder.compile()
