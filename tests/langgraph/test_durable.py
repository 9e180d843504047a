"""Durable runs: nodes that finished are not run again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, TypedDict

import aiosqlite
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from civitas.frameworks import idempotency_key
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.supervision import Supervisor
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.frameworks.support import restarts, running
from tests.core.support import keys_beside_runs


class Box(TypedDict):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]


class Nodes:
    """Nodes that write down when they run, and fail as often as was said."""

    def __init__(self, **fails: int) -> None:
        self.ran: list[str] = []
        self.fails = fails

    def node(self, name: str) -> Any:
        async def run(state: Box) -> Any:
            self.ran.append(name)
            if self.fails.get(name, 0) > 0:
                self.fails[name] -= 1
                raise RuntimeError(name)
            return {"got": [name]}

        return run

    def line(self, *names: str, **compiled: Any) -> Any:
        builder = StateGraph(Box)
        before: str = START
        for name in names:
            builder.add_node(name, self.node(name))
            builder.add_edge(before, name)
            before = name
        builder.add_edge(before, END)
        return builder.compile(**compiled)

    def fan(self, *names: str) -> Any:
        builder = StateGraph(Box)
        for name in names:
            builder.add_node(name, self.node(name))
            builder.add_edge(START, name)
            builder.add_edge(name, END)
        return builder.compile()

    def nested(self, *names: str) -> Any:
        outer = StateGraph(Box)
        outer.add_node("inner", self.line(*names))
        outer.add_edge(START, "inner")
        return outer.compile()


@pytest.mark.parametrize("conversation", [None, "c"])
@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
async def test_nodes_that_finished_are_not_run_again(conversation, checkpointer):
    nodes = Nodes(b=2)
    graph = nodes.line("a", "b", "c", checkpointer=checkpointer)
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        reply = await runtime.ask("g", {"got": []}, conversation=conversation)
        assert restarts(runtime) == 0
    assert reply.payload["got"] == ["a", "b", "c"]
    assert nodes.ran == ["a", "b", "b", "b", "c"]


async def test_a_node_that_finished_beside_one_that_failed_is_not_run_again():
    nodes = Nodes(b=1)
    async with running(LangGraphAgent("g", graph=nodes.fan("a", "b"), durable=True)) as runtime:
        reply = await runtime.ask("g", {"got": []})
    assert sorted(reply.payload["got"]) == ["a", "b"]
    assert nodes.ran.count("a") == 1


async def test_nodes_of_a_subgraph_that_finished_are_not_run_again():
    nodes = Nodes(b=1)
    async with running(LangGraphAgent("g", graph=nodes.nested("a", "b"), durable=True)) as runtime:
        reply = await runtime.ask("g", {"got": []})
    assert (reply.payload["got"], nodes.ran) == (["a", "b"], ["a", "b", "b"])


async def test_the_next_message_of_the_conversation_begins_a_run_of_its_own():
    nodes = Nodes(b=1)
    async with running(LangGraphAgent("g", graph=nodes.line("a", "b"), durable=True)) as runtime:
        await runtime.ask("g", {"got": []}, conversation="c")
        reply = await runtime.ask("g", {"got": ["new"]}, conversation="c")
    assert reply.payload["got"] == ["a", "b", "new", "a", "b"]


async def test_an_answer_that_was_given_is_not_asked_for_again():
    nodes = Nodes(after=1)

    def ask(state: Box) -> Any:
        return {"got": [interrupt("sure?")]}

    builder = StateGraph(Box)
    builder.add_node("ask", ask)
    builder.add_node("before", nodes.node("before"))
    builder.add_node("after", nodes.node("after"))
    builder.add_edge(START, "before")
    builder.add_edge("before", "ask")
    builder.add_edge("ask", "after")
    agent = LangGraphAgent("g", graph=builder.compile(), durable=True)
    async with running(agent) as runtime:
        asked = await runtime.ask("g", {"got": []})
        reply = await runtime.ask("g", {"value": "y"}, "resume", conversation=asked.conversation)
        assert restarts(runtime) == 0
    assert reply.payload["got"] == ["before", "y", "after"]
    assert nodes.ran == ["before", "after", "after"]


async def test_a_finished_run_leaves_nothing_behind_but_its_conversation():
    store, nodes = InMemoryStateStore(), Nodes(b=1)
    agent = LangGraphAgent("g", graph=nodes.nested("a", "b"), durable=True)
    async with Runtime(Supervisor("root", [agent], backoff="NONE"), state_store=store) as runtime:
        await runtime.ask("g", {"got": []})
        await runtime.ask("g", {"got": []}, conversation="c")
    assert await keys_beside_runs(store) == ["civitas:conversation:g/c"]
    saver = StateStoreSaver(store, "civitas:conversation:g/")
    config: Any = {"configurable": {"thread_id": "c"}}
    spaces = [each.config["configurable"]["checkpoint_ns"] async for each in saver.alist(config)]
    assert spaces == [""]


@pytest.mark.promise(id="SEM-967")
@pytest.mark.parametrize("in_thread", [False, True], ids=["async", "in a thread"])
async def test_a_node_that_is_run_again_has_the_same_idempotency_key(in_thread):
    keys: list[str] = []

    def pay(state: Box) -> Any:
        keys.append(idempotency_key())
        if len(keys) == 2:
            raise RuntimeError("once")
        return {"got": ["paid"]}

    async def pay_async(state: Box) -> Any:
        return pay(state)

    builder = StateGraph(Box)
    builder.add_node("first", pay if in_thread else pay_async)
    builder.add_node("second", pay if in_thread else pay_async)
    builder.add_edge(START, "first")
    builder.add_edge("first", "second")
    graph = builder.compile()
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        await runtime.ask("g", {"got": []})
    assert keys[1] == keys[2] != keys[0]


class Writing:
    """When the tasks of a run began and ended, and when something of it was kept."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def workflow(self, saver: Any) -> Any:
        @task
        async def first() -> int:
            self.log.append("first ends")
            return 1

        @task
        async def second() -> int:
            self.log.append("second begins")
            return 2

        @entrypoint(checkpointer=saver)
        async def both(given: int) -> int:
            return await first() + await second()

        return both

    def store(self, path: Path) -> SQLiteStateStore:
        class Store(SQLiteStateStore):
            async def write(store, *args: Any, **more: Any) -> dict[str, int]:  # noqa: N805
                written = await super().write(*args, **more)
                self.log.append("kept")
                return written

        return Store(path)

    def saver(self, connection: aiosqlite.Connection) -> AsyncSqliteSaver:
        class Saver(AsyncSqliteSaver):
            async def aput_writes(saver, *args: Any, **more: Any) -> None:  # noqa: N805
                await super().aput_writes(*args, **more)
                self.log.append("kept")

        return Saver(connection)


@pytest.mark.promise(id="SEM-1213")
@pytest.mark.parametrize("own_saver", [False, True], ids=["state store", "own checkpointer"])
async def test_what_a_task_did_is_kept_before_the_next_one_begins(own_saver, tmp_path):
    writing = Writing()
    async with aiosqlite.connect(tmp_path / "threads.db") as connection:
        graph = writing.workflow(writing.saver(connection) if own_saver else None)
        agent = LangGraphAgent("g", graph=graph, durable=True)
        store = writing.store(tmp_path / "state.db")
        async with Runtime(Supervisor("root", [agent]), state_store=store) as runtime:
            assert (await runtime.ask("g", 0, conversation="c")).payload == 3
        await store.close()
    between = writing.log[writing.log.index("first ends") : writing.log.index("second begins")]
    assert "kept" in between


@pytest.mark.promise(id="SEM-1648")
@pytest.mark.parametrize("own", [False, True], ids=["kept here", "a checkpointer of the user's"])
async def test_a_run_that_a_stop_cuts_off_goes_on_and_is_in_its_conversation_once(own):
    """Nothing tells the next program that its message was in hand: an orderly stop is no delivery."""
    nodes, store = Nodes(), InMemoryStateStore()
    saver = InMemorySaver() if own else None
    begun = asyncio.Event()

    async def hold(state: Box) -> Any:
        nodes.ran.append("hold")
        if state["got"][-2] == "second" and not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return {"got": ["hold"]}

    def system() -> Runtime:
        builder = StateGraph(Box).add_node("a", nodes.node("a")).add_node(hold)
        builder.add_edge(START, "a").add_edge("a", "hold")
        graph = builder.compile(checkpointer=saver)
        agent = LangGraphAgent("g", graph=graph, durable=True, shutdown_timeout=0)
        return Runtime(Supervisor("root", [agent]), state_store=store, drain_timeout=0.01)

    async with system() as runtime:
        await runtime.ask("g", {"got": ["first"]}, conversation="c")
        await runtime.send("g", {"got": ["second"]}, conversation="c", run="r")
        await begun.wait()
    async with system() as runtime:
        reply = await runtime.result("r")
    assert reply.payload["got"] == ["first", "a", "hold", "second", "a", "hold"]
    assert nodes.ran == ["a", "hold", "a", "hold", "hold"]
