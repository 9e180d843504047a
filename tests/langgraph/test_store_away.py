"""A state store that is away while a graph runs: the run waits in place, and no node runs twice."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph

from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.process.test_store_away import limit, said

TEXT = "x" * 100_000


class Book(TypedDict, total=False):
    first: str
    last: str


@pytest.mark.promise(id="SEM-1193")
@pytest.mark.parametrize(
    ("durable", "conversation", "writes", "own"),
    [
        (True, None, "state", False),
        (True, "trip", "state", False),
        (False, "trip", "state", False),
        (True, None, "store", False),
        (True, "trip", "state", True),
    ],
)
async def test_a_graph_waits_for_a_full_disk_and_runs_no_node_twice(
    durable: bool, conversation: str | None, writes: str, own: bool, tmp_path, caplog
) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    await limit(store, 12)
    ran: list[str] = []

    async def first(state: Book) -> Any:
        ran.append("first")
        if writes == "store":
            await get_store().aput(("books",), "first", {"text": TEXT})
            return {"first": "kept"}
        return {"first": TEXT}

    async def last(state: Book) -> Any:
        ran.append("last")
        return {"last": "done"}

    builder = StateGraph(Book)
    builder.add_node(first)
    builder.add_node(last)
    builder.add_edge(START, "first")
    builder.add_edge("first", "last")
    builder.add_edge("last", END)
    graph = builder.compile(checkpointer=StateStoreSaver(store, "own:") if own else None)
    agent = LangGraphAgent("books", graph=graph, durable=durable)
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        asking = asyncio.create_task(runtime.ask("books", {"first": ""}, conversation=conversation))
        await said(caplog, "agent 'books': the state store is unavailable; waiting for it")
        await limit(store, 1_000_000)
        reply = await asking
        assert reply.payload["last"] == "done"
        assert ran == ["first", "last"]
        assert runtime.tree()["children"][0]["restarts"] == 0
    await store.close()
