"""Graphs that come to points."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import BaseStore
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


three = line("one", "two", "three")
asking = line("one", "ask", "two")
in_memory = line("one", checkpointer=InMemorySaver())
