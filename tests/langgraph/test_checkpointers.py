"""Checkpointers of the user's own, and when LangGraph keeps a checkpoint."""

from __future__ import annotations

import sqlite3
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph

from civitas.errors import ConfigurationError, StartFailed
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.frameworks.support import running


class Box(TypedDict):
    n: int


def graph(checkpointer: Any = None) -> Any:
    builder = StateGraph(Box)
    builder.add_node("add", lambda state: {"n": state["n"] + 1})
    builder.add_edge(START, "add")
    return builder.compile(checkpointer=checkpointer)


async def refused(agent: LangGraphAgent) -> str:
    with pytest.raises(StartFailed) as failed:
        async with running(agent):
            pass
    assert isinstance(failed.value.cause, ConfigurationError)
    return str(failed.value.cause)


class Shallow(BaseCheckpointSaver[int]):
    """A saver whose asynchronous half nobody wrote."""


@pytest.mark.promise(id="SEM-1007")
async def test_a_checkpointer_without_asynchronous_methods_is_refused_at_the_start():
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    for saver in (SqliteSaver(connection), Shallow()):
        told = await refused(LangGraphAgent("g", graph=graph(saver)))
        assert "\n" not in told
        assert f"compiled with {type(saver).__name__}, which has no asynchronous methods" in told
    connection.close()


@pytest.mark.promise(id="SEM-1006")
async def test_a_durable_run_needs_a_checkpointer_that_outlives_what_it_is_to_survive(tmp_path):
    def made_anew() -> Any:
        return graph(InMemorySaver())

    told = await refused(LangGraphAgent("g", graph=made_anew, durable=True))
    assert "lost when the agent is started again" in told
    async with running(LangGraphAgent("g", graph=made_anew)):
        pass
    async with running(LangGraphAgent("g", graph=made_anew(), durable=True)):
        pass


@pytest.mark.promise(id="SEM-1006")
async def test_a_checkpointer_is_judged_by_where_it_keeps_checkpoints(tmp_path):
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        await refused(LangGraphAgent("g", graph=lambda: graph(saver), durable=True))
    async with (
        AsyncSqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver,
        running(LangGraphAgent("g", graph=lambda: graph(saver), durable=True)),
    ):
        pass
    forgets = StateStoreSaver(InMemoryStateStore(), "t:")
    await refused(LangGraphAgent("g", graph=lambda: graph(forgets), durable=True))
    store = SQLiteStateStore(tmp_path / "b.db")
    keeps = StateStoreSaver(store, "t:")
    async with running(LangGraphAgent("g", graph=lambda: graph(keeps), durable=True)):
        pass
    await store.close()


@pytest.mark.promise(id="SEM-1008")
@pytest.mark.parametrize(("durability", "puts"), [("sync", 3), ("async", 3), ("exit", 1)])
async def test_the_durability_of_langgraph_is_carried_through(durability, puts):
    saver = InMemorySaver()
    agent = LangGraphAgent("g", graph=graph(saver), durability=durability)
    async with running(agent) as runtime:
        assert (await runtime.ask("g", {"n": 1}, conversation="c")).payload == {"n": 2}
    assert len(list(saver.list(None))) == puts


@pytest.mark.promise(id="SEM-1008")
async def test_a_durability_that_is_none_or_not_that_of_durable_runs_is_refused():
    with pytest.raises(ConfigurationError, match="durability must be 'sync', 'async' or 'exit'"):
        LangGraphAgent("g", graph=graph(), durability="snyc")  # type: ignore[arg-type]
    for less in ("async", "exit"):
        with pytest.raises(ConfigurationError, match="durability must be 'sync'"):
            LangGraphAgent("g", graph=graph(), durability=less, durable=True)
