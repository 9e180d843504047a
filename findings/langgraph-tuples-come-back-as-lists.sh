#!/bin/bash
# A tuple in a LangGraph state is a list when the thread goes on; a set, a frozenset and a named tuple stay what they are.
# Exits 0 as long as that is so, 1 when the tuple stays one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check langgraph==1.2.24
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from typing import NamedTuple, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph


class Place(NamedTuple):
    row: int
    column: int


class State(TypedDict, total=False):
    turn: int
    pair: tuple[int, int]
    place: Place
    numbers: set[int]
    frozen: frozenset[int]


seen = []


def look(state: State) -> State:
    seen.append({name: type(state[name]).__name__ for name in ("pair", "place", "numbers", "frozen")})
    return {"turn": state["turn"]}


builder = StateGraph(State)
builder.add_node("look", look)
builder.add_edge(START, "look")
graph = builder.compile(checkpointer=InMemorySaver())
thread = {"configurable": {"thread_id": "1"}}
graph.invoke(
    {"turn": 1, "pair": (1, 2), "place": Place(1, 2), "numbers": {1, 2}, "frozen": frozenset({1})},
    thread,
)
graph.invoke({"turn": 2}, thread)

print("langgraph", version("langgraph"))
print("expected: in the second turn the types of the first,", seen[0])
print("seen:    ", seen[1])
sys.exit(0 if seen[1] == {**seen[0], "pair": "list"} else 1)
PYTHON
