"""A probe says what became of a call that a kill met, so that no human needs to be asked."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

import civitas
from civitas import (
    AgentProcess,
    AmbiguousCall,
    ConfigurationError,
    Happened,
    InMemoryStateStore,
    Message,
    Runtime,
    Supervisor,
)
from tests.core.process.shop import Case, killed


@pytest.mark.promise(id="SEM-1675")
@pytest.mark.parametrize(
    ("known", "made"), [(Happened({"charged": 7}), 1), (None, 2), (OSError("nobody answers"), 1)]
)
async def test_the_probe_of_a_step_is_asked_before_a_human(known: Any, made: int) -> None:
    def probe() -> Any:
        if isinstance(known, Exception):
            raise known
        return known

    async with Case(probe=probe) as case:
        asked = isinstance(known, Exception)
        assert case.asked.type == ("interrupt" if asked else "reply")
        if not asked:
            assert case.asked.payload[0]["charged"] == (7 if known else 3)
        else:
            reply = await case.answer({"happened": True, "result": 1})
            assert reply.payload == [1, "mailed"]
        assert len(case.log) - 1 == made


def test_a_call_is_shown_to_a_probe_as_it_was_made() -> None:
    call = AmbiguousCall("a", "r", "tool 1", "tool", "charge", {"n": 1}, "m:tool 1", 5.0)
    assert call._question() == {
        "id": "m:tool 1",
        "value": {
            "agent": "a",
            "run": "r",
            "call": "tool 1",
            "kind": "tool",
            "tool": "charge",
            "arguments": {"n": 1},
            "idempotency_key": "m:tool 1",
            "since": 5.0,
        },
    }


@pytest.mark.promise(id="SEM-1686")
@pytest.mark.parametrize("by_name", [False, True])
@pytest.mark.parametrize("on_ambiguous", ["repeat", "interrupt"])
async def test_a_tool_brings_its_probe_into_the_step_that_calls_it(
    by_name: bool, on_ambiguous: str
) -> None:
    hangs, calls = asyncio.Event(), []
    asked: list[AmbiguousCall] = []

    def charged(call: AmbiguousCall) -> Happened:
        asked.append(call)
        return Happened("paid")

    @civitas.tool(probe=charged)
    async def charge(amount: int) -> str:
        calls.append(amount)
        hangs.set()
        await asyncio.sleep(60)
        return "charged"

    class Till(AgentProcess):
        async def handle(self, message: Message) -> Message:
            assert self.tools is not None
            pay = partial(self.tools.call, "charge", amount=3) if by_name else partial(charge, 3)
            return self.reply(await self.step("pay", pay))

    agent = Till("a", delivery="durable", on_ambiguous=on_ambiguous, shutdown_timeout=0)
    tree = Supervisor("root", [agent], backoff="none")
    async with Runtime(tree, tools=[charge], state_store=InMemoryStateStore()) as runtime:
        reply = await killed(runtime, hangs)
        assert (reply.payload, calls) == ("paid", [3])
    (call,) = asked
    assert (call.name, call.arguments) == ("charge", {"amount": 3} if by_name else [3])
    assert call.idempotency_key.endswith(":pay")


def test_a_probe_that_is_no_function_is_refused_where_the_tool_is_made() -> None:
    with pytest.raises(ConfigurationError, match="must be a function of one argument"):
        civitas.tool(probe=5)(print)  # type: ignore[call-overload]
