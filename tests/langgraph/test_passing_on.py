"""A durable graph passes from one version of the program to the next between two of its steps."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from civitas import Runtime, SQLiteStateStore, Supervisor
from civitas_langgraph import LangGraphAgent


class State(TypedDict, total=False):
    who: str
    done: list[str]


def graph(version: list[str], notes: list[str], may: asyncio.Semaphore):
    def node(name: str):
        async def work(state: State) -> State:
            notes.append(name)
            await may.acquire()
            return {"done": [*state.get("done", []), f"{name} by {version[0]}"]}

        return work

    builder = StateGraph(State)
    for name in ("plan", "write", "check"):
        builder.add_node(name, node(name))
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "write")
    builder.add_edge("write", "check")
    builder.add_edge("check", END)
    return builder.compile()


@pytest.mark.promise(id="SEM-1829")
@pytest.mark.parametrize("streams", [False, True])
async def test_the_node_under_way_ends_and_the_next_version_does_the_others(
    tmp_path: Path, streams: bool
) -> None:
    notes: list[str] = []
    running = ["old"]
    may = asyncio.Semaphore(0)

    def version() -> tuple[Runtime, SQLiteStateStore]:
        store = SQLiteStateStore(tmp_path / "state.db")
        agent = LangGraphAgent("writer", graph=graph(running, notes, may), durable=True)
        return Runtime(Supervisor("root", children=[agent]), state_store=store), store

    async def ask(runtime: Runtime):
        if not streams:
            return await runtime.ask("writer", {"who": "ann"})
        async for message in runtime.stream("writer", {"who": "ann"}):
            last = message
        return last

    old, old_store = version()
    new, new_store = version()
    await old.start()
    asking = asyncio.create_task(ask(old))
    async with asyncio.timeout(10):
        while not notes:
            await asyncio.sleep(0.005)
        released = asyncio.Event()

        async def release() -> None:
            released.set()

        passing = asyncio.create_task(old._life.pass_on(5, release))
        may.release()
        await released.wait()
        assert notes == ["plan"]
        running[0] = "new"
        async with new:
            may.release()
            may.release()
            reply = await asking
            await passing
    assert reply.payload["done"] == ["plan by old", "write by new", "check by new"]
    assert set(Counter(notes).values()) == {1}
    await old_store.close()
    await new_store.close()
