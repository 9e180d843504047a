"""Durable runs that go on under other code than they began with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import Agent, FunctionTool, function_tool

from civitas import ConfigurationError, ConversationPool, RunChanged, RunStatus, Runtime, Supervisor
from civitas.events import Event
from civitas.frameworks.recorded_shapes import of_question
from civitas.state import InMemoryStateStore, StateStore
from civitas_openai import OpenAIAgent
from tests.core.support import eventually
from tests.openai.support import Says, function

Script = list[str | list[Any]]
_PAY_THEN_SHIP: Script = [[function("pay", "1")], [function("ship", "2")], "shipped"]


class Shop:
    """The tools of an agent, and what was done with them."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.began = asyncio.Event()
        self.stops_at = "ship"

    async def do(self, name: str) -> str:
        self.did.append(name)
        if name == self.stops_at:
            self.began.set()
            await asyncio.Event().wait()
        return f"{name} done"

    def tool(self, name: str, *, asks: bool = False) -> FunctionTool:
        async def call() -> str:
            return await self.do(name)

        return function_tool(
            call, name_override=name, description_override=name, needs_approval=asks
        )

    def agent(
        self, model: Says, *tools: str, asking: str = "", instructions: str = "Sell."
    ) -> Agent[Any]:
        given: list[Any] = [self.tool(each) for each in tools]
        given += [self.tool(asking, asks=True)] if asking else []
        return Agent(name="seller", model=model, instructions=instructions, tools=given)


@asynccontextmanager
async def program(store: StateStore, agent: Agent[Any], **keywords: Any) -> AsyncIterator[Runtime]:
    child = OpenAIAgent("shop", agent=agent, durable=True, shutdown_timeout=0, **keywords)
    spec = Supervisor("root", children=[child], backoff="NONE")
    async with Runtime(spec, state_store=store, drain_timeout=0.01) as runtime:
        yield runtime


async def left_at(
    tool: str, store: StateStore, shop: Shop, script: Script = _PAY_THEN_SHIP
) -> Says:
    """Begin the run `r`, and end the program while it is in the tool; what the next one says."""
    shop.stops_at = tool
    model = Says(iter(script))
    async with program(store, shop.agent(model, "pay", "ship")) as runtime:
        await runtime.send("shop", {"input": "a book"}, run="r")
        await shop.began.wait()
    shop.stops_at = ""
    return model


@pytest.mark.promise(id="SEM-1687")
async def test_a_run_whose_tool_is_gone_is_refused_by_the_name_of_the_tool():
    store, shop = InMemoryStateStore(), Shop()
    model = await left_at("ship", store, shop)
    async with program(store, shop.agent(model, "pay")) as runtime:
        with pytest.raises(RunChanged, match="tool 'ship' is gone") as refused:
            await runtime.result("r", timeout=5)
        assert refused.value.differences == ("tool 'ship' is gone",)
    assert shop.did == ["pay", "ship"]


@pytest.mark.promise(id="SEM-1688")
async def test_a_run_that_was_refused_goes_on_when_the_code_is_back():
    store, shop = InMemoryStateStore(), Shop()
    model = await left_at("ship", store, shop)
    async with program(store, shop.agent(model, "pay")) as runtime:
        with pytest.raises(RunChanged):
            await runtime.result("r", timeout=5)
    async with program(store, shop.agent(model, "pay", "ship")) as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}
    assert shop.did == ["pay", "ship", "ship"]
    assert await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1689")
async def test_a_run_that_is_refused_is_held_and_lets_the_next_one_by():
    store, shop = InMemoryStateStore(), Shop()
    await left_at("ship", store, shop)
    async with program(store, shop.agent(Says(["hello"]), "pay")) as runtime:
        assert (await runtime.ask("shop", {"input": "hi"})).payload == {"output": "hello"}
        (info,) = runtime.runs(status=RunStatus.HELD)
        assert (info.run, info.deliveries) == ("r", 0)
        assert info.waits_for == ({"for": "code", "change": "tool 'ship' is gone"},)
        assert runtime.tree()["children"][0]["restarts"] == 0
        with pytest.raises(RunChanged):  # who asks under its name is told at once
            await runtime.ask("shop", {"input": "a book"}, run="r")
        assert await runtime.cancel("r")
        assert runtime.runs(status=RunStatus.HELD) == []


async def test_a_run_that_was_refused_often_is_not_given_up():
    store, shop = InMemoryStateStore(), Shop()
    model = await left_at("ship", store, shop)
    for _ in range(5):
        async with program(store, shop.agent(model, "pay")) as runtime:
            with pytest.raises(RunChanged):
                await runtime.result("r", timeout=5)
    async with program(store, shop.agent(model, "pay", "ship")) as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}


@pytest.mark.promise(id="SEM-1690")
async def test_a_run_goes_on_with_other_words_and_says_so(caplog):
    store, shop = InMemoryStateStore(), Shop()
    model = await left_at("ship", store, shop)
    agent = shop.agent(model, "pay", "ship", "refund", instructions="Sell more.")
    async with program(store, agent) as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}
    assert shop.did == ["pay", "ship", "ship"]
    (told,) = [each.getMessage() for each in caplog.records if "code has changed" in each.message]
    assert "tool 'refund' is new; instructions of 'seller' changed; it goes on" in told


async def test_each_change_is_an_event():
    store, shop, heard = InMemoryStateStore(), Shop(), list[Event]()
    model = await left_at("ship", store, shop)
    child = OpenAIAgent("shop", agent=shop.agent(model, "pay", "ship", "refund"), durable=True)
    runtime = Runtime(Supervisor("root", children=[child]), state_store=store)
    runtime.on("changed", heard.append)
    async with runtime:
        await runtime.result("r", timeout=5)
    (event,) = heard
    assert (event.name, event.reason) == ("shop", "go_on")
    assert "the run 'r' began: tool 'refund' is new" in event.message


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_a_run_begins_again_from_its_message(caplog):
    store, shop = InMemoryStateStore(), Shop()
    await left_at("ship", store, shop)
    agent = shop.agent(Says(_PAY_THEN_SHIP), "pay", "ship", instructions="Sell more.")
    async with program(store, agent, on_change="restart") as runtime:
        assert (await runtime.result("r", timeout=5)).payload == {"output": "shipped"}
    assert shop.did == ["pay", "ship", "pay", "ship"]
    assert "it starts over (on_change=restart)" in caplog.text
    assert await store.keys("civitas:step:") == []


async def test_with_refuse_other_words_are_a_change_too():
    store, shop = InMemoryStateStore(), Shop()
    model = await left_at("ship", store, shop)
    agent = shop.agent(model, "pay", "ship", instructions="Sell more.")
    async with program(store, agent, on_change="refuse") as runtime:
        with pytest.raises(RunChanged, match="instructions of 'seller' changed"):
            await runtime.result("r", timeout=5)


async def asked(store: StateStore, shop: Shop, **keywords: Any) -> None:
    """Have a run of conversation `c` wait for a human: may it refund?"""
    agent = shop.agent(Says([[function("refund", "1")]]), "pay", asking="refund")
    async with program(store, agent, **keywords) as runtime:
        reply = await runtime.ask("shop", {"input": "too late"}, conversation="c", run="q")
    assert reply.type == "interrupt"


@pytest.mark.promise(id="SEM-1692")
async def test_an_answer_is_refused_where_the_tool_is_gone_and_the_question_stays_open():
    store, shop = InMemoryStateStore(), Shop()
    await asked(store, shop)
    async with program(store, shop.agent(Says(["sorry"]), "pay")) as runtime:
        with pytest.raises(RunChanged, match=r"tool 'refund' is gone.*question stays open"):
            await runtime.ask("shop", {"value": True}, "resume", conversation="c")
        (waiting,) = runtime.runs(status=RunStatus.WAITING)
        assert waiting.run == "q"
        assert runtime.runs(status=RunStatus.HELD) == []
    agent = shop.agent(Says(["done"]), "pay", asking="refund")
    async with program(store, agent) as runtime:
        reply = await runtime.ask("shop", {"value": True}, "resume", conversation="c")
    assert (reply.payload, shop.did) == ({"output": "done"}, ["refund"])


async def test_a_new_message_leaves_the_question_behind_whatever_has_changed():
    store, shop = InMemoryStateStore(), Shop()
    await asked(store, shop)
    async with program(store, shop.agent(Says(["hello"]), "pay")) as runtime:
        reply = await runtime.ask("shop", {"input": "hi"}, conversation="c")
    assert reply.payload == {"output": "hello"}


@pytest.mark.promise(id="SEM-1691")
async def test_with_restart_an_answer_begins_the_run_again_from_what_it_began_with():
    store, shop = InMemoryStateStore(), Shop()
    async with program(store, shop.agent(Says(["hello"]), "pay")) as runtime:
        await runtime.ask("shop", {"input": "hi"}, conversation="c")
    await asked(store, shop, on_change="restart")
    again = Says([[function("refund", "2")], "done"])
    agent = shop.agent(again, "pay", instructions="Be kind.", asking="refund")
    async with program(store, agent, on_change="restart") as runtime:
        reply = await runtime.ask("shop", {"value": True}, "resume", conversation="c")
        assert (reply.type, shop.did) == ("interrupt", [])
        reply = await runtime.ask("shop", {"value": True}, "resume", conversation="c")
    assert (reply.payload, shop.did) == ({"output": "done"}, ["refund"])
    said = [each["content"] for each in again.inputs[0] if each.get("role") == "user"]
    assert said == ["hi", "too late"]


async def test_a_question_of_before_on_change_said_restart_is_refused():
    store, shop = InMemoryStateStore(), Shop()
    await asked(store, shop)
    agent = shop.agent(Says(["done"]), "pay", instructions="Be kind.", asking="refund")
    async with program(store, agent, on_change="restart") as runtime:
        with pytest.raises(RunChanged, match=r"instructions.*asked before its agent had"):
            await runtime.ask("shop", {"value": True}, "resume", conversation="c")


class Counted(InMemoryStateStore):
    """Remembers which keys are written together."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[set[str]] = []

    async def write(self, changes: Any, **more: Any) -> Any:
        written = {key for key, value in changes.items() if value is not None}
        self.commits += [written] if written else []
        return await super().write(changes, **more)


@pytest.mark.promise(id="SEM-1694")
async def test_what_a_run_began_with_is_written_with_its_first_step():
    store, shop = Counted(), Shop()
    shop.stops_at = ""
    async with program(store, shop.agent(Says(_PAY_THEN_SHIP), "pay", "ship")) as runtime:
        await runtime.ask("shop", {"input": "a book"})
    steps = [each for each in store.commits if any("civitas:step:" in key for key in each)]
    assert len(steps) == 5  # three calls of the model, two of tools
    assert [len(each) for each in steps] == [3, 1, 1, 1, 1]
    assert {key.rpartition("/")[2] for key in steps[0]} == {
        "civitas:shape",
        "civitas:spent",
        "model 0",
    }


async def test_what_a_conversation_of_a_pool_does_not_go_on_with_outlives_its_sleep():
    store, shop = InMemoryStateStore(), Shop()

    def pooled(model: Says, *tools: str) -> Runtime:
        agent = shop.agent(model, *tools)
        child = OpenAIAgent("shop", agent=agent, durable=True, shutdown_timeout=0)
        pool = ConversationPool("shop", child, idle_timeout=0.02)
        return Runtime(Supervisor("root", [pool]), state_store=store, drain_timeout=0.01)

    shop.stops_at = "ship"
    async with pooled(Says(_PAY_THEN_SHIP), "pay", "ship") as runtime:
        await runtime.send("shop", {"input": "a book"}, conversation="c", run="r")
        await shop.began.wait()
    async with pooled(Says(lambda _: "hello"), "pay") as runtime:
        with pytest.raises(RunChanged):
            await runtime.result("r", timeout=5)
        await eventually(lambda: "shop/c" not in runtime._node.registry)
        reply = await runtime.ask("shop", {"input": "hi"}, conversation="c")
        assert reply.payload == {"output": "hello"}
        await eventually(lambda: [each.run for each in runtime.runs(RunStatus.HELD)] == ["r"])
        assert await runtime.cancel("r")


async def test_an_answer_about_a_call_that_a_kill_met_is_held_with_the_run():
    store, shop = InMemoryStateStore(), Shop()
    asks: dict[str, Any] = {"on_ambiguous": "interrupt"}
    shop.stops_at = "ship"
    model = Says(iter(_PAY_THEN_SHIP))
    async with program(store, shop.agent(model, "pay", "ship"), **asks) as runtime:
        asking = asyncio.ensure_future(runtime.ask("shop", {"input": "a book"}, run="r"))
        await shop.began.wait()
        await runtime.restart("shop")
        asked = await asking
    assert asked.type == "interrupt"
    given: dict[str, Any] = {"conversation": asked.conversation, "run": "a"}
    told = {"value": {"happened": True, "result": "ship done"}}
    async with program(store, shop.agent(model, "pay"), **asks) as runtime:
        with pytest.raises(RunChanged, match="tool 'ship' is gone"):
            await runtime.ask("shop", told, "resume", **given)
        assert [each.run for each in runtime.runs(RunStatus.HELD)] == ["a"]
        assert await of_question(store, "shop", asked.conversation or "")
    async with program(store, shop.agent(model, "pay", "ship"), **asks) as runtime:
        reply = await runtime.ask("shop", told, "resume", **given)
    assert (reply.payload, shop.did) == ({"output": "shipped"}, ["pay", "ship"])


@pytest.mark.parametrize("given", ["restrat", 5])
def test_what_on_change_cannot_be_is_refused(given):
    with pytest.raises(ConfigurationError, match="on_change"):
        OpenAIAgent("shop", agent=Agent(name="a"), durable=True, on_change=given)


def test_on_change_is_for_durable_runs():
    with pytest.raises(ConfigurationError, match="add durable=True"):
        OpenAIAgent("shop", agent=Agent(name="a"), on_change="go_on")
