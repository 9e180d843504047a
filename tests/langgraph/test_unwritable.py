"""State that no checkpoint can hold, and state that none is to hold."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels import DeltaChannel, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt

from civitas.errors import HandlerFailed
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import restarts, running


@dataclass
class Wrapped:
    items: Any


class Box(TypedDict, total=False):
    kind: str
    client: Any
    log: Annotated[list[Any], DeltaChannel(lambda state, writes: [*state, *writes])]


def value_of(kind: str) -> Any:
    lock = threading.Lock()
    return {"lock": lock, "int": 2**70, "deep": {"a": [1, Wrapped([lock])]}}[kind]


def state(ran: list[str]) -> Any:
    def open(state: Any) -> Any:
        ran.append(state["kind"])
        return {"client": value_of(state["kind"])}

    builder = StateGraph(Box)
    builder.add_node("open", open)
    builder.add_node("close", lambda state: {"client": None})
    builder.add_edge(START, "open")
    builder.add_edge("open", "close")
    return builder.compile()


def delta(ran: list[str]) -> Any:
    def log(state: Any) -> Any:
        ran.append(state["kind"])
        return {"log": [value_of(state["kind"])]}

    builder = StateGraph(Box)
    builder.add_node("log", log)
    builder.add_edge(START, "log")
    return builder.compile()


def asking(ran: list[str]) -> Any:
    def ask(state: Any) -> Any:
        ran.append(state["kind"])
        return {"client": interrupt(value_of(state["kind"]))}

    builder = StateGraph(Box)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    return builder.compile()


def sending(ran: list[str]) -> Any:
    def split(box: Box) -> Any:
        ran.append(box["kind"])
        return [Send("worker", {"client": value_of(box["kind"])})]

    builder = StateGraph(Box)
    builder.add_node("worker", lambda state: None)
    builder.add_node("begin", lambda state: None)
    builder.add_edge(START, "begin")
    builder.add_conditional_edges("begin", split, ["worker"])
    return builder.compile()


def workflow(ran: list[str]) -> Any:
    @task
    def fetch(kind: str) -> Any:
        ran.append(kind)
        return value_of(kind)

    @entrypoint()
    async def flow(box: Any) -> Any:
        await fetch(box["kind"])

    return flow


PLACES = [
    (state, "lock", "state.client: "),
    (state, "int", "state.client: "),
    (state, "deep", "state.client.a[1].items[0]: "),
    (delta, "lock", "state.log[0]: "),
    (asking, "lock", "interrupt[0].value: "),
    (sending, "deep", "Send('worker').arg.client.a[1].items[0]: "),
    (workflow, "lock", "the result of a task: "),
]


@pytest.mark.promise(id="SEM-1004")
@pytest.mark.parametrize(
    ("build", "kind", "place"),
    PLACES,
    ids=[f"{build.__name__} {kind}" for build, kind, _ in PLACES],
)
async def test_what_no_checkpoint_can_hold_is_told_once_with_its_place(build, kind, place):
    ran: list[str] = []
    async with running(LangGraphAgent("g", graph=build(ran), durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"kind": kind}, conversation="c")
        assert restarts(runtime) == 0
    assert failed.value.error_type == "PayloadError"
    assert failed.value.error_message.startswith(place)
    assert ran == [kind]


@pytest.mark.promise(id="SEM-1004")
@pytest.mark.parametrize(("build", "kind", "place"), [PLACES[0], PLACES[3], PLACES[5]])
async def test_so_it_is_under_a_checkpointer_of_the_users_own(build, kind, place, tmp_path):
    ran: list[str] = []
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        for own in (saver, InMemorySaver()):
            graph = build(ran).copy({"checkpointer": own})
            async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
                with pytest.raises(HandlerFailed) as failed:
                    await runtime.ask("g", {"kind": kind}, conversation="c")
                assert restarts(runtime) == 0
            assert failed.value.error_message.startswith(place)
    assert ran == [kind, kind]


@pytest.mark.promise(id="SEM-1004")
async def test_a_conversation_that_cannot_be_kept_is_told_with_its_place_and_is_as_it_was():
    def open(state: Any) -> Any:
        return {"client": value_of("lock") if state["kind"] == "lock" else None}

    builder = StateGraph(Box)
    builder.add_node("open", open)
    builder.add_edge(START, "open")
    async with running(LangGraphAgent("g", graph=builder.compile())) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("g", {"kind": "lock"}, conversation="c")
        await runtime.ask("g", {"kind": "none"}, conversation="c")
        assert restarts(runtime) == 0
    assert failed.value.error_message.startswith("state.client: a checkpoint cannot hold lock")


class Inner(TypedDict, total=False):
    text: str
    lock: Annotated[Any, UntrackedValue]


class Outer(TypedDict, total=False):
    text: str
    connection: Annotated[Any, UntrackedValue]


def opening(schema: Any, name: str) -> StateGraph[Any]:
    builder = StateGraph(schema)
    builder.add_node("open", lambda state: {name: threading.Lock()})
    return builder


def beside() -> Any:
    builder = opening(Outer, "connection")
    builder.add_node("ask", lambda state: {"text": interrupt("?")})
    builder.add_edge(START, "open")
    builder.add_edge(START, "ask")
    return builder.compile()


def below() -> Any:
    inner = opening(Inner, "lock")
    inner.add_node("ask", lambda state: {"text": interrupt("?")})
    inner.add_edge(START, "open")
    inner.add_edge(START, "ask")
    builder = opening(Outer, "connection")
    builder.add_node("inner", inner.compile())
    builder.add_edge(START, "open")
    builder.add_edge("open", "inner")
    return builder.compile()


@pytest.mark.promise(id="SEM-1005")
@pytest.mark.parametrize("durable", [False, True], ids=["not durable", "durable"])
@pytest.mark.parametrize("build", [beside, below])
async def test_untracked_values_are_neither_kept_nor_told(build, durable):
    async with running(LangGraphAgent("g", graph=build(), durable=durable)) as runtime:
        asked = await runtime.ask("g", {"text": "x"}, conversation="c")
        assert asked.type == "interrupt"
        reply = await runtime.ask("g", {"value": "y"}, "resume", conversation="c")
    assert reply.payload == {"text": "y"}
