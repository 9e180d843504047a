"""Calls of tools and models that a kill met, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from agents import Agent, function_tool

from civitas import (
    AgentProcess,
    AmbiguousCall,
    ConfigurationError,
    HandlerFailed,
    Happened,
    InMemoryStateStore,
    Message,
    Runtime,
)
from civitas.frameworks import idempotency_key
from civitas.process import open_calls
from civitas_openai import OpenAIAgent, agent_tool
from tests.core.frameworks.support import running
from tests.openai.support import Says, function

ASKS: Any = {"durable": True, "on_ambiguous": "interrupt", "shutdown_timeout": 0}


class Till:
    """A tool that hangs when it is called first.

    Attributes:
        keys: The idempotency keys that it was called with.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.hangs = asyncio.Event()

        @function_tool
        async def charge(amount: int) -> dict[str, int]:
            """Charge it."""
            await self.call()
            return {"charged": amount}

        self.charge = charge

    async def call(self) -> None:
        self.keys.append(idempotency_key())
        if len(self.keys) == 1:
            self.hangs.set()
            await asyncio.sleep(60)


CHARGES = [function("charge", "c1", '{"amount": 3}')]


async def killed(
    runtime: Runtime, hangs: asyncio.Event, then: Callable[[], object] = bool
) -> Message:
    """What `o` answers that is killed when this is set."""
    asking = asyncio.ensure_future(runtime.ask("o", {"input": "go"}, run="order-1"))
    await hangs.wait()
    await runtime.restart("o")
    then()
    return await asking


async def answered(runtime: Runtime, asked: Message, value: Any) -> Message:
    return await runtime.ask("o", {"value": value}, "resume", conversation=asked.conversation)


@pytest.mark.promise(id="SEM-1673")
@pytest.mark.promise(id="SEM-1674")
@pytest.mark.parametrize("happened", [True, False])
async def test_a_call_of_a_tool_that_a_kill_met_is_asked_about(happened: bool) -> None:
    till, model = Till(), Says([CHARGES, "done"])
    agent = Agent(name="a", model=model, tools=[till.charge])
    async with running(OpenAIAgent("o", agent=agent, **ASKS)) as runtime:
        asked = await killed(runtime, till.hangs)
        (question,) = asked.payload["interrupts"]
        assert question["value"] == {
            "agent": "o",
            "run": "order-1",
            "call": "tool c1",
            "kind": "tool",
            "tool": "charge",
            "arguments": {"amount": 3},
            "idempotency_key": till.keys[0],
            "since": question["value"]["since"],
        }
        value = {"happened": True, "result": {"charged": 4}} if happened else {"happened": False}
        reply = await answered(runtime, asked, value)
        assert reply.payload == {"output": "done"}
    assert till.keys == [till.keys[0]] * (1 if happened else 2)
    assert len(model.inputs) == 2
    assert model.inputs[-1][-1]["output"] == str({"charged": 4 if happened else 3})


@pytest.mark.promise(id="SEM-1673")
async def test_a_call_of_a_model_that_a_kill_met_is_asked_about() -> None:
    till = Till()

    async def say(input: Any) -> str:
        await till.call()
        return "said again"

    agent = Agent(name="a", model=Says(say))
    async with running(OpenAIAgent("o", agent=agent, **ASKS)) as runtime:
        asked = await killed(runtime, till.hangs)
        assert asked.payload["interrupts"][0]["value"]["kind"] == "model"
        with pytest.raises(HandlerFailed, match="a model's answer must be text"):
            await answered(runtime, asked, {"happened": True, "result": 5})
        reply = await answered(runtime, asked, {"happened": True, "result": "as I saw it"})
        assert reply.payload == {"output": "as I saw it"}
    assert len(till.keys) == 1


@pytest.mark.promise(id="SEM-1675")
@pytest.mark.parametrize("on_ambiguous", ["interrupt", "repeat"])
@pytest.mark.parametrize("known", [Happened({"charged": 5}), None, OSError("nobody answers"), 5])
async def test_the_probe_of_a_tool_is_asked_first(known: Any, on_ambiguous: str) -> None:
    till, model = Till(), Says([CHARGES, "done"])
    agent = Agent(name="a", model=model, tools=[till.charge])
    seen: list[AmbiguousCall] = []

    async def probe(call: AmbiguousCall) -> Any:
        seen.append(call)
        if isinstance(known, Exception):
            raise known
        return known

    keywords = {**ASKS, "on_ambiguous": on_ambiguous, "probes": {"charge": probe}}
    async with running(OpenAIAgent("o", agent=agent, **keywords)) as runtime:
        reply = await killed(runtime, till.hangs)
        says_nothing = known is not None and not isinstance(known, Happened)
        if on_ambiguous == "interrupt" and says_nothing:
            assert reply.type == "interrupt"
            reply = await answered(runtime, reply, {"happened": False})
        assert reply.payload == {"output": "done"}
    (call,) = seen
    assert (call.name, call.arguments) == ("charge", {"amount": 3})
    assert call.idempotency_key == till.keys[0]
    assert len(till.keys) == (1 if isinstance(known, Happened) else 2)
    charged = 5 if isinstance(known, Happened) else 3
    assert model.inputs[-1][-1]["output"] == str({"charged": charged})


@pytest.mark.promise(id="SEM-1680")
@pytest.mark.parametrize("delivery", ["durable", "at_least_once"])
async def test_what_a_durable_agent_was_asked_is_asked_again_and_found(delivery: str) -> None:
    """It does nothing twice for it, so there is nothing to ask a human; of another agent there is."""
    hangs, go = asyncio.Event(), asyncio.Event()
    did: list[Any] = []

    class Helper(AgentProcess):
        async def handle(self, message: Message) -> Message:
            did.append(message.payload)
            hangs.set()
            await go.wait()
            return self.reply("helped")

    model = Says([[function("helper", "c1", '{"input": "x"}')], "done"])
    agent = Agent(name="a", model=model, tools=[agent_tool("helper", description="Helps.")])
    helper = Helper("helper", delivery=delivery)
    async with running(OpenAIAgent("o", agent=agent, **ASKS), helper) as runtime:
        reply = await killed(runtime, hangs, go.set)
        if delivery == "at_least_once":
            assert reply.payload["interrupts"][0]["value"]["tool"] == "helper"
            reply = await answered(runtime, reply, {"happened": True, "result": "I helped"})
        assert reply.payload == {"output": "done"}
    assert len(did) == 1


class Counted(InMemoryStateStore):
    """Counts the commits that hold something of steps."""

    commits = 0

    async def write(
        self, changes: Mapping[str, Any], *, expect: Mapping[str, int] = {}
    ) -> dict[str, int]:
        steps = [value for key, value in changes.items() if key.startswith("civitas:step:")]
        self.commits += any(steps)
        return await super().write(changes, expect=expect)


@pytest.mark.promise(id="SEM-1676")
@pytest.mark.parametrize("on_ambiguous", ["interrupt", "repeat"])
async def test_each_call_of_a_run_costs_one_commit(
    monkeypatch: pytest.MonkeyPatch, on_ambiguous: str
) -> None:
    monkeypatch.setattr(open_calls, "_SOON", 60.0)

    @function_tool
    async def note() -> str:
        """Note it."""
        return "noted"

    model = Says([[function("note", "c1")], [function("note", "c2")], "done"])
    agent = Agent(name="a", model=model, tools=[note])
    store = Counted()
    keywords = {**ASKS, "on_ambiguous": on_ambiguous}
    tree = running(OpenAIAgent("o", agent=agent, **keywords)).supervisor
    async with Runtime(tree, state_store=store) as runtime:
        await runtime.ask("o", {"input": "go"}, conversation="c")
    assert store.commits == 5  # three answers of the model, two calls of the tool
    assert await store.keys("civitas:step:") == []


@pytest.mark.promise(id="SEM-1678")
@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"on_ambiguous": "interrupt"}, "needs durable=True"),
        ({"on_ambiguous": "interrupt", "delivery": "durable"}, "needs durable=True"),
        ({"durable": True, "on_ambiguous": "ask"}, "must be one of repeat, interrupt"),
        ({"probes": {"charge": print}}, "probes need durable=True"),
        ({"durable": True, "probes": {"charge": 5}}, "must be a function of one argument"),
        ({"durable": True, "probes": {"charge": "nowhere:f"}}, "cannot be resolved"),
        ({"durable": True, "probes": [print]}, "must be a dict from the name of a tool"),
    ],
)
def test_what_does_not_fit_is_refused(keywords: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        OpenAIAgent("o", agent=Agent(name="a"), **keywords)
