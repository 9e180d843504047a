"""Calls of tools and models that a kill met, and of whose results nothing is known."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from crewai.tools import tool

from civitas import AmbiguousCall, HandlerFailed, Happened, Message, Runtime
from civitas.frameworks import idempotency_key
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASKS: Any = {"durable": True, "on_ambiguous": "interrupt", "shutdown_timeout": 0}


class Till:
    """A tool that hangs when it is called first.

    Attributes:
        keys: The idempotency keys that it was called with.
        hangs: Set when it does.
        go: Lets it go on, whom nobody listens to any more.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.hangs, self.go = threading.Event(), threading.Event()

        @tool("charge")
        def charge(amount: int) -> str:
            """Charge it."""
            self.keys.append(idempotency_key())
            if len(self.keys) == 1:
                self.hangs.set()
                self.go.wait(10)
            return f"charged {amount}"

        self.charge = charge


async def killed(runtime: Runtime, till: Till) -> Message:
    asking = asyncio.ensure_future(runtime.ask("c", {}, run="order-1"))
    await asyncio.to_thread(till.hangs.wait, 10)
    await runtime.restart("c")
    till.go.set()
    return await asking


async def answered(runtime: Runtime, asked: Message, value: Any) -> Message:
    return await runtime.ask("c", {"value": value}, "resume", conversation=asked.conversation)


@pytest.mark.promise(id="SEM-1673")
@pytest.mark.promise(id="SEM-1674")
@pytest.mark.parametrize("happened", [True, False])
async def test_a_call_of_a_tool_that_a_kill_met_is_asked_about(happened: bool) -> None:
    till = Till()
    model = SuiteModel(ToolCall("charge", {"amount": 3}, id="a"), "done")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[till.charge])))

    async with running(CrewAIAgent("c", crew=make, **ASKS)) as runtime:
        asked = await killed(runtime, till)
        (question,) = asked.payload["interrupts"]
        told = question["value"]
        assert (asked.type, told["run"], told["tool"]) == ("interrupt", "order-1", "charge")
        assert (told["arguments"], told["idempotency_key"]) == ({"amount": 3}, till.keys[0])
        with pytest.raises(HandlerFailed, match="the result is missing"):
            await answered(runtime, asked, {"happened": True})
        value = {"happened": True, "result": "paid"} if happened else {"happened": False}
        assert (await answered(runtime, asked, value)).payload["output"] == "done"
    assert till.keys == [till.keys[0]] * (1 if happened else 2)
    assert ("paid" if happened else "charged 3") in str(model.seen[-1])
    assert len(model.seen) == 2


@pytest.mark.promise(id="SEM-1675")
async def test_the_probe_of_a_tool_is_asked_first() -> None:
    till = Till()
    model = SuiteModel(ToolCall("charge", {"amount": 3}, id="a"), "done")
    seen: list[AmbiguousCall] = []

    def probe(call: AmbiguousCall) -> Happened:
        seen.append(call)
        return Happened("paid")

    def make() -> Any:
        return crew_of(task(clerk(model, tools=[till.charge])))

    keywords = {**ASKS, "on_ambiguous": "repeat", "probes": {"charge": probe}}
    async with running(CrewAIAgent("c", crew=make, **keywords)) as runtime:
        assert (await killed(runtime, till)).payload["output"] == "done"
    assert [(each.name, each.arguments) for each in seen] == [("charge", {"amount": 3})]
    assert "paid" in str(model.seen[-1])
    assert len(till.keys) == 1


@pytest.mark.promise(id="SEM-1679")
async def test_a_model_that_raised_is_asked_again_and_nobody_else() -> None:
    model = SuiteModel(ConnectionError("refused"), "done")

    def make() -> Any:
        return crew_of(task(clerk(model)))

    async with running(CrewAIAgent("c", crew=make, **ASKS)) as runtime:
        assert (await runtime.ask("c", {})).payload["output"] == "done"
