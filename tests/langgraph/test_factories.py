"""Graphs from functions that open what they need, as LangGraph's own SQLite checkpointer does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from civitas.frameworks import wrap
from civitas.runtime import Runtime
from civitas.supervision import Supervisor


def compiled(saver: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("count", lambda state: {"messages": [("ai", str(len(state["messages"])))]})
    builder.add_edge(START, "count")
    builder.add_edge("count", END)
    return builder.compile(checkpointer=saver)


class Connections(list[aiosqlite.Connection]):
    """Those that were opened, and the functions that open them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def closed(self) -> list[bool]:
        """Of each, whether its thread has ended."""
        return [not each._running for each in self]

    @asynccontextmanager
    async def manager(self) -> AsyncIterator[Any]:
        async with aiosqlite.connect(self.path) as connection:
            self.append(connection)
            yield compiled(AsyncSqliteSaver(connection))

    async def closer(self) -> Any:
        connection = await aiosqlite.connect(self.path)
        self.append(connection)
        return compiled(AsyncSqliteSaver(connection)), connection.close

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[Any]:
        async with AsyncSqliteSaver.from_conn_string(str(self.path)) as saver:
            self.append(saver.conn)
            yield compiled(saver)


@pytest.mark.promise(id="SEM-1109")
@pytest.mark.promise(id="SEM-1110")
@pytest.mark.parametrize("way", ["manager", "closer", "saver"])
async def test_a_graph_with_a_connection_of_its_own_remembers_and_leaks_none(
    tmp_path: Path, way: str
) -> None:
    connections = Connections(tmp_path / "threads.db")
    agent = wrap(getattr(connections, way), name="g")
    async with Runtime(Supervisor("root", [agent])) as runtime:
        for expected in ("1", "3"):
            reply = await runtime.ask("g", {"input": "hi"}, conversation="c")
            assert reply.payload["messages"][-1]["content"] == expected
        await runtime.restart("g")
        assert connections.closed == [True, False]
        reply = await runtime.ask("g", {"input": "hi"}, conversation="c")
        assert reply.payload["messages"][-1]["content"] == "5"
    assert connections.closed == [True, True]
