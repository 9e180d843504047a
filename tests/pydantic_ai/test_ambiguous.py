"""Calls of tools and models that a kill met, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import AgentProcess, AmbiguousCall, HandlerFailed, Happened, Message, Runtime, wrap
from civitas.frameworks import idempotency_key
from civitas_pydantic_ai import agent_tool
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call

ASKS: Any = {"durable": True, "on_ambiguous": "interrupt", "shutdown_timeout": 0}
CHARGES = [call("charge", "c1", amount=3)]


class Till:
    """A tool that hangs when it is called first.

    Attributes:
        keys: The idempotency keys that it was called with.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.hangs = asyncio.Event()

    async def charge(self, amount: int) -> dict[str, int]:
        """Charge it."""
        await self.call()
        return {"charged": amount}

    async def call(self) -> None:
        self.keys.append(idempotency_key())
        if len(self.keys) == 1:
            self.hangs.set()
            await asyncio.Event().wait()


async def killed(runtime: Runtime, hangs: asyncio.Event) -> Message:
    """What `o` answers that is killed when this is set."""
    asking = asyncio.ensure_future(runtime.ask("o", {"input": "go"}, run="order-1"))
    await hangs.wait()
    await runtime.restart("o")
    return await asking


async def answered(runtime: Runtime, asked: Message, value: Any) -> Message:
    return await runtime.ask("o", {"value": value}, "resume", conversation=asked.conversation)


@pytest.mark.promise(id="SEM-1673")
@pytest.mark.parametrize("happened", [True, False])
async def test_a_call_of_a_tool_that_a_kill_met_is_asked_about(happened: bool) -> None:
    till, says = Till(), Says([CHARGES, "done"])
    async with running(wrap(says.agent(tools=[till.charge]), name="o", **ASKS)) as runtime:
        asked = await killed(runtime, till.hangs)
        value = asked.payload["interrupts"][0]["value"]
        told = {name: value[name] for name in ("call", "kind", "tool", "arguments")}
        assert told == {
            "call": "tool c1",
            "kind": "tool",
            "tool": "charge",
            "arguments": {"amount": 3},
        }
        result = {"happened": True, "result": {"charged": 4}} if happened else {"happened": False}
        assert (await answered(runtime, asked, result)).payload == {"output": "done"}
    assert till.keys == [till.keys[0]] * (1 if happened else 2)
    assert says.texts[-1][-1] == ('{"charged":4}' if happened else '{"charged":3}')


@pytest.mark.promise(id="SEM-1673")
async def test_a_call_of_a_model_that_a_kill_met_is_asked_about() -> None:
    till = Till()

    async def say(messages: Any) -> str:
        await till.call()
        return "said again"

    async with running(wrap(Says(say).agent(), name="o", **ASKS)) as runtime:
        asked = await killed(runtime, till.hangs)
        assert asked.payload["interrupts"][0]["value"]["kind"] == "model"
        with pytest.raises(HandlerFailed, match="a model's answer must be text"):
            await answered(runtime, asked, {"happened": True, "result": 5})
        reply = await answered(runtime, asked, {"happened": True, "result": "as I saw it"})
        assert reply.payload == {"output": "as I saw it"}
    assert len(till.keys) == 1


@pytest.mark.promise(id="SEM-1675")
@pytest.mark.parametrize("known", [Happened({"charged": 5}), None])
async def test_the_probe_of_a_tool_is_asked_first(known: Any) -> None:
    till, says = Till(), Says([CHARGES, "done"])
    seen: list[AmbiguousCall] = []

    async def probe(call: AmbiguousCall) -> Any:
        seen.append(call)
        return known

    keywords = {**ASKS, "probes": {"charge": probe}}
    async with running(wrap(says.agent(tools=[till.charge]), name="o", **keywords)) as runtime:
        assert (await killed(runtime, till.hangs)).payload == {"output": "done"}
    assert (seen[0].name, seen[0].arguments) == ("charge", {"amount": 3})
    assert len(till.keys) == (1 if known else 2)


@pytest.mark.promise(id="SEM-1680")
async def test_what_a_durable_agent_was_asked_is_asked_again_and_found() -> None:
    hangs, go = asyncio.Event(), asyncio.Event()
    did: list[Any] = []

    class Helper(AgentProcess):
        async def handle(self, message: Message) -> Message:
            did.append(message.payload)
            hangs.set()
            await go.wait()
            return self.reply("helped")

    says = Says([[call("helper", "c1", input="x")], "done"])
    agent = wrap(says.agent(tools=[agent_tool("helper", description="Helps.")]), name="o", **ASKS)
    async with running(agent, Helper("helper", delivery="durable")) as runtime:
        asking = asyncio.ensure_future(runtime.ask("o", {"input": "go"}, run="order-1"))
        await hangs.wait()
        await runtime.restart("o")
        go.set()
        assert (await asking).payload == {"output": "done"}
    assert len(did) == 1
