"""Graphs that come to points."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from tests.integration.adapters.points import point


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


def line(*names: str, **compiled: Any) -> Any:
    builder = StateGraph(Box)
    before: str = START
    for name in names:
        builder.add_node(name, ask if name == "ask" else node(name))
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile(**compiled)


three = line("one", "two", "three")
asking = line("one", "ask", "two")
in_memory = line("one", checkpointer=InMemorySaver())
