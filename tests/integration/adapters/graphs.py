"""Graphs that come to points."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.store.base import BaseStore
from langgraph.types import interrupt

from tests.integration.adapters.points import fatal_point, point, result_of


def more(before: list[Any] | None, new: list[Any]) -> list[Any]:
    return [*(before or []), *new]


class Box(TypedDict):
    got: Annotated[list[Any], more]


def node(name: str) -> Any:
    async def run(state: Box) -> Any:
        await point(name)
        return {"got": [name]}

    return run


async def ask(state: Box) -> Any:
    return {"got": [interrupt("sure?")]}


def note(state: Box, *, store: BaseStore) -> Any:
    known = [each.key for each in store.search(("notes",))]
    store.put(("notes",), str(state["got"][-1]), {})
    return {"got": [known]}


def line(*names: str, **compiled: Any) -> Any:
    builder = StateGraph(Box)
    before: str = START
    for name in names:
        builder.add_node(name, ask if name == "ask" else node(name))
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile(**compiled)


def noting() -> Any:
    builder = StateGraph(Box)
    builder.add_node("note", note)
    builder.add_edge(START, "note")
    return builder.compile()


def reading() -> Any:
    """An agent that looks up one number after the other, as many as its first message says."""

    @tool
    def look(number: int) -> str:
        """Look up a number."""
        fatal_point(f"look-{number}")
        return result_of(number)

    def think(state: MessagesState) -> Any:
        messages = state["messages"]
        seen = sum(each.type == "tool" for each in messages)
        if seen == int(str(messages[0].content)):
            return {"messages": [AIMessage("The end.")]}
        call = {"name": "look", "args": {"number": seen}, "id": f"call_{seen}"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    builder = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode([look]))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    return builder.compile()


three = line("one", "two", "three")
asking = line("one", "ask", "two")
in_memory = line("one", checkpointer=InMemorySaver())
