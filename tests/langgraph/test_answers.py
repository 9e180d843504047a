"""Answers that a node cannot use: the question is as open as before, and the next answer is the one used."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from pydantic import BaseModel

from civitas import SQLiteStateStore
from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel, ToolCall
from civitas_langgraph import LangGraphAgent, StateStoreSaver
from tests.core.frameworks.support import running
from tests.langgraph.models import played


class Box(TypedDict, total=False):
    got: Annotated[list[Any], lambda a, b: [*(a or []), *b]]


class Decision(BaseModel):
    approve: bool
    reason: str = ""


def asking(*nodes: Any, **compiled: Any) -> Any:
    builder = StateGraph(Box)
    before = START
    for node in nodes:
        builder.add_node(node.__name__, node)
        builder.add_edge(before, node.__name__)
        before = node.__name__
    return builder.compile(**compiled)


def nested(graph: Any, **compiled: Any) -> Any:
    builder = StateGraph(Box)
    builder.add_node("inner", graph)
    builder.add_edge(START, "inner")
    return builder.compile(**compiled)


def pay(state: Box) -> Box:
    answer = interrupt("pay?")
    return {"got": [f"paid {answer['amount']}"]}


def pay_twice(state: Box) -> Box:
    return {"got": [interrupt("first?")["amount"], interrupt("second?")["amount"]]}


async def said(runtime: Any, value: Any, kind: str = "resume") -> Any:
    payload = {"value": value} if kind == "resume" else value
    reply = await runtime.ask("g", payload, kind, conversation="c")
    if reply.type == "interrupt":
        return [each["value"] for each in reply.payload["interrupts"]]
    return reply.payload["got"]


@pytest.mark.promise(id="SEM-1022")
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("where", ["kept here", "own", "own, nested", "nested"])
async def test_an_answer_that_a_node_fails_on_leaves_the_question_open(where, durable, tmp_path):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db")) as saver:
        own = {"checkpointer": saver} if where.startswith("own") else {}
        graph = nested(asking(pay), **own) if "nested" in where else asking(pay, **own)
        async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
            assert await said(runtime, {"got": []}, "message") == ["pay?"]
            for bad in ("yes", {"amuont": 3}):
                with pytest.raises(HandlerFailed) as failed:
                    await said(runtime, bad)
                assert failed.value.error_type in ("TypeError", "KeyError")
            assert await said(runtime, {"amount": 3}) == ["paid 3"]


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("own", [False, True], ids=["kept here", "own"])
async def test_what_was_answered_before_a_bad_answer_stays_answered(own, durable, tmp_path):
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db")) as saver:
        graph = asking(pay_twice, **({"checkpointer": saver} if own else {}))
        async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
            assert await said(runtime, {"got": []}, "message") == ["first?"]
            assert await said(runtime, {"amount": 1}) == ["second?"]
            with pytest.raises(HandlerFailed):
                await said(runtime, "no")
            assert await said(runtime, {"amount": 2}) == [1, 2]


def note(state: Box) -> Box:
    return {"got": ["noted"]}


def check(state: Box) -> Box:
    if "paid 0" in state["got"]:
        raise ValueError("nothing to pay")
    return {"got": ["checked"]}


@pytest.fixture(params=["AsyncSqliteSaver", "StateStoreSaver"])
async def own(request, tmp_path):
    """A checkpointer of the user's own."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "StateStoreSaver":
            store = SQLiteStateStore(tmp_path / "own.db")
            stack.push_async_callback(store.close)
            yield StateStoreSaver(store, "threads:")
        else:
            made = AsyncSqliteSaver.from_conn_string(str(tmp_path / "own.db"))
            yield await stack.enter_async_context(made)


@pytest.mark.promise(id="SEM-1697")
@pytest.mark.parametrize("where", ["flat", "nested"])
async def test_answers_that_a_later_node_fails_on_leave_the_question_open(where, own):
    if where == "flat":
        graph = asking(note, pay, check, checkpointer=own)
    else:
        builder = StateGraph(Box)
        builder.add_node("inner", asking(note, pay))
        builder.add_node(check)
        builder.add_edge(START, "inner")
        builder.add_edge("inner", "check")
        graph = builder.compile(checkpointer=own)
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        id = asked.payload["interrupts"][0]["id"]
        for _ in range(2):
            with pytest.raises(HandlerFailed, match="nothing to pay"):
                await said(runtime, {"amount": 0})
        answer = {"id": id, "value": {"amount": 3}}
        reply = await runtime.ask("g", answer, "resume", conversation="c")
        assert reply.payload["got"] == ["noted", "paid 3", "checked"]
        with pytest.raises(HandlerFailed):
            await said(runtime, {"amount": 4})  # it is answered now
        assert await said(runtime, {"got": ["more"]}, "message") == ["pay?"]
        assert (await said(runtime, {"amount": 5}))[-2:] == ["paid 5", "checked"]


@pytest.mark.promise(id="SEM-1697")
async def test_what_fails_beside_an_answered_node_leaves_its_question_open(own):
    """What had finished beside the question is not run again, and what was answered before it stays answered."""
    ran: list[str] = []

    def quick(state: Box) -> Box:
        ran.append("quick")
        return {"got": ["quick"]}

    def careful(state: Box) -> Box:
        ran.append("careful")
        if interrupt("sure?") == "no":
            raise ValueError("not sure")
        return {"got": ["sure"]}

    builder = StateGraph(Box)
    for node in (quick, careful, pay_twice):
        builder.add_node(node.__name__, node)
        builder.add_edge(START, node.__name__)
    graph = builder.compile(checkpointer=own)
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        ids = {each["value"]: each["id"] for each in asked.payload["interrupts"]}
        first = {"values": {ids["first?"]: {"amount": 1}}}
        left = await runtime.ask("g", first, "resume", conversation="c")
        ids |= {each["value"]: each["id"] for each in left.payload["interrupts"]}
        both = {ids["second?"]: {"amount": 2}, ids["sure?"]: "no"}
        with pytest.raises(HandlerFailed, match="not sure"):
            await runtime.ask("g", {"values": both}, "resume", conversation="c")
        both[ids["sure?"]] = "yes"
        reply = await runtime.ask("g", {"values": both}, "resume", conversation="c")
        assert sorted(map(str, reply.payload["got"])) == ["1", "2", "quick", "sure"]
    assert ran.count("quick") == 1


@pytest.mark.promise(id="SEM-1697")
async def test_a_message_after_an_answer_that_failed_goes_on_from_before_the_answer(own):
    graph = asking(note, pay, check, checkpointer=own)
    async with running(LangGraphAgent("g", graph=graph, durable=True)) as runtime:
        assert await said(runtime, {"got": []}, "message") == ["pay?"]
        with pytest.raises(HandlerFailed, match="nothing to pay"):
            await said(runtime, {"amount": 0})
        assert await said(runtime, {"got": ["more"]}, "message") == ["pay?"]
        assert await said(runtime, {"amount": 1}) == ["noted", "more", "noted", "paid 1", "checked"]


@pytest.mark.promise(id="SEM-1697")
async def test_another_answer_that_a_kill_meets_goes_on_where_it_was(own):
    ran, hangs = [], asyncio.Event()

    async def send(state: Box) -> Box:
        ran.append(state["got"][-1])
        if ran == ["paid 0", "paid 3"]:
            hangs.set()
            await asyncio.sleep(60)
        return check({"got": state["got"]})

    graph = asking(note, pay, send, checkpointer=own)
    agent = LangGraphAgent("g", graph=graph, durable=True, shutdown_timeout=0)
    async with running(agent) as runtime:
        assert await said(runtime, {"got": []}, "message") == ["pay?"]
        with pytest.raises(HandlerFailed, match="nothing to pay"):
            await said(runtime, {"amount": 0})
        answering = asyncio.create_task(said(runtime, {"amount": 3}))
        await hangs.wait()
        await runtime.restart("g")
        assert await answering == ["noted", "paid 3", "checked"]
    assert ran == ["paid 0", "paid 3", "paid 3"]


@pytest.mark.promise(id="SEM-967")
async def test_an_answer_that_is_tried_again_is_given_to_its_own_question_only():
    tries = []

    def flaky(state: Box) -> Box:
        first = interrupt("first?")
        tries.append(first)
        if len(tries) == 1:
            raise ConnectionError("down")
        return {"got": [first, interrupt("second?")]}

    agent = LangGraphAgent("g", graph=asking(flaky), durable=True)
    async with running(agent) as runtime:
        assert await said(runtime, {"got": []}, "message") == ["first?"]
        assert await said(runtime, "one") == ["second?"]
        assert await said(runtime, "two") == ["one", "two"]


@pytest.mark.promise(id="SEM-1023")
@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("schema", [Decision, Decision.model_json_schema()], ids=["class", "JSON"])
async def test_a_question_comes_with_its_schema_and_an_answer_that_does_not_fit_is_refused(
    schema, durable
):
    given = []

    def decide(state: Box) -> Box:
        given.append(interrupt("fine?", response_schema=schema))
        return {"got": ["decided"]}

    graph = asking(decide, checkpointer=InMemorySaver())
    async with running(LangGraphAgent("g", graph=graph, durable=durable)) as runtime:
        asked = await runtime.ask("g", {"got": []}, conversation="c")
        [question] = asked.payload["interrupts"]
        assert question["response_schema"] == Decision.model_json_schema()
        with pytest.raises(
            HandlerFailed, match=r"payload\.value\.approve: .* is not of type"
        ) as no:
            await said(runtime, {"approve": {"maybe": 1}})
        assert no.value.error_type == "PayloadError"
        assert given == []
        assert await said(runtime, {"approve": True}) == ["decided"]
    assert given in ([Decision(approve=True)], [{"approve": True}])


async def test_a_schema_that_cannot_be_used_or_is_elsewhere_refuses_nothing():
    def decide(state: Box) -> Box:
        elsewhere = {"$ref": "http://127.0.0.1:9/schema.json"}
        wrong = {"type": "nothing that there is"}
        return {
            "got": [
                interrupt("a", response_schema=elsewhere),
                interrupt("b", response_schema=wrong),
            ]
        }

    async with running(LangGraphAgent("g", graph=asking(decide))) as runtime:
        await said(runtime, {"got": []}, "message")
        assert await said(runtime, 1) == ["b"]
        assert await said(runtime, 2) == [1, 2]


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize("own", [False, True], ids=["kept here", "own"])
async def test_too_few_decisions_for_the_middleware_of_langchain_are_told_and_the_next_ones_used(
    own, durable
):
    ran = []

    @tool
    def remove(name: str) -> str:
        """Remove."""
        ran.append(name)
        return f"{name} is gone"

    model = SuiteModel(ToolCall("remove", {"name": "all"}), "done")
    agent = create_agent(
        played(model),
        [remove],
        middleware=[HumanInTheLoopMiddleware({"remove": True})],
        checkpointer=InMemorySaver() if own else None,
    )
    async with running(LangGraphAgent("g", graph=agent, durable=durable)) as runtime:
        asked = await runtime.ask("g", {"input": "clean up"}, conversation="c")
        assert asked.type == "interrupt"
        for bad in ({"decisions": []}, {"decision": "approve"}, "approve"):
            with pytest.raises(HandlerFailed):
                await runtime.ask("g", {"value": bad}, "resume", conversation="c")
        assert ran == []
        answer = {"value": {"decisions": [{"type": "reject", "message": "no"}]}}
        reply = await runtime.ask("g", answer, "resume", conversation="c")
    assert ran == []
    assert reply.payload["messages"][-1]["content"] == "done"
    [result] = [each for each in reply.payload["messages"] if each["type"] == "tool"]
    assert result["status"] == "error"
