"""The LangGraph adapter alone, with the core it brings along."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from civitas import Runtime, Supervisor, wrap


class State(TypedDict):
    """The state of the smallest graph."""

    n: int


def double(state: State) -> State:
    return {"n": state["n"] * 2}


graph = StateGraph(State)
graph.add_node("double", double)
graph.add_edge(START, "double")
graph.add_edge("double", END)
agent = wrap(graph.compile(), name="doubler")


async def main() -> None:
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        assert (await runtime.ask("doubler", {"n": 21})).payload == {"n": 42}


asyncio.run(main())
assert not [name for name in ("agents", "crewai") if importlib.util.find_spec(name)]
print("works alone")
