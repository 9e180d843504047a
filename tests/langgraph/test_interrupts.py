"""Graphs that wait for a human, beyond what the suite shows."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from civitas.errors import UnknownInterrupt
from civitas_langgraph import LangGraphAgent
from tests.core.frameworks.support import restarts, running


class Box(TypedDict):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]


def two(**compiled: Any) -> Any:
    """Two nodes beside each other, each asks."""

    def left(state: Box) -> Any:
        return {"got": [("left", interrupt("left?"))]}

    def right(state: Box) -> Any:
        return {"got": [("right", interrupt("right?"))]}

    builder = StateGraph(Box)
    for node in (left, right):
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
        builder.add_edge(node.__name__, END)
    return builder.compile(**compiled)


def nested() -> Any:
    """A subgraph that asks twice."""

    def ask(state: Box) -> Any:
        return {"got": [interrupt("first?"), interrupt("second?")]}

    inner = StateGraph(Box)
    inner.add_node("ask", ask)
    inner.add_edge(START, "ask")
    outer = StateGraph(Box)
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "inner")
    return outer.compile()


def ids(message: Any) -> dict[str, str]:
    return {each["value"]: each["id"] for each in message.payload["interrupts"]}


@pytest.mark.parametrize("checkpointer", [None, InMemorySaver()])
async def test_several_open_interrupts_are_answered_by_id_one_after_the_other(checkpointer):
    async with running(LangGraphAgent("g", graph=two(checkpointer=checkpointer))) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c1")
        assert set(ids(asked)) == {"left?", "right?"}
        answer = {"id": ids(asked)["left?"], "value": 1}
        rest = await runtime.ask("g", answer, "resume", conversation="c1")
        assert (rest.type, list(ids(rest))) == ("interrupt", ["right?"])
        with pytest.raises(UnknownInterrupt):
            await runtime.ask("g", answer, "resume", conversation="c1")
        reply = await runtime.ask("g", {"value": 2}, "resume", conversation="c1")
    assert sorted(map(tuple, reply.payload["got"])) == [("left", 1), ("right", 2)]


async def test_several_open_interrupts_are_answered_at_once():
    async with running(LangGraphAgent("g", graph=two())) as runtime:
        asked = await runtime.ask("g", {"got": []})
        values = {id: word for word, id in ids(asked).items()}
        answer = {"values": values}
        reply = await runtime.ask("g", answer, "resume", conversation=asked.conversation)
    assert sorted(map(tuple, reply.payload["got"])) == [("left", "left?"), ("right", "right?")]


async def test_which_of_several_is_answered_must_be_said():
    async with running(LangGraphAgent("g", graph=two())) as runtime:
        await runtime.ask("g", {"got": []}, conversation="c")
        with pytest.raises(Exception, match="2 interrupts are open, so 'id' must name one"):
            await runtime.ask("g", {"value": 1}, "resume", conversation="c")
        assert restarts(runtime) == 0


async def test_a_subgraph_may_ask_and_ask_again():
    async with running(LangGraphAgent("g", graph=nested())) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        assert list(ids(asked)) == ["first?"]
        again = await runtime.ask("g", {"value": "a"}, "resume", conversation="c")
        assert list(ids(again)) == ["second?"]
        reply = await runtime.ask("g", {"value": "b"}, "resume", conversation="c")
    assert reply.payload["got"] == ["a", "b"]


async def test_a_new_message_begins_anew_and_the_open_interrupt_is_gone():
    async with running(LangGraphAgent("g", graph=two())) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        again = await runtime.ask("g", {"got": ["new"]}, conversation="c")
        answer = {"id": ids(asked)["left?"], "value": 1}
        with pytest.raises(UnknownInterrupt, match="Open: "):
            await runtime.ask("g", answer, "resume", conversation="c")
        assert set(ids(again)) == {"left?", "right?"}


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
async def test_what_finished_beside_a_node_that_asks_is_there_when_it_was_answered(durable):
    ran = []

    def quick(state: Box) -> Any:
        ran.append("quick")
        return {"got": ["quick"]}

    def ask(state: Box) -> Any:
        return {"got": [interrupt("?")]}

    builder = StateGraph(Box)
    for node in (quick, ask):
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    builder.add_node("last", lambda state: {"got": ["last"]})
    builder.add_edge(["quick", "ask"], "last")
    async with running(LangGraphAgent("g", graph=builder.compile(), durable=durable)) as runtime:
        await runtime.ask("g", {"got": []}, conversation="c")
        reply = await runtime.ask("g", {"value": 1}, "resume", conversation="c")
    assert sorted(map(str, reply.payload["got"])) == ["1", "last", "quick"]
    assert ran == ["quick"]


async def test_a_stream_ends_with_the_interrupt():
    async with running(LangGraphAgent("g", graph=nested())) as runtime:
        chunks = [each async for each in runtime.stream("g", {"got": []}, conversation="c")]
    assert [each.type for each in chunks] == ["step", "step", "interrupt"]
