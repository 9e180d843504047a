"""What a running system counts and measures, through a real meter provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, Supervisor
from civitas.telemetry import names
from civitas.testing import ScriptedModel
from tests.core.runs.support import durable, system
from tests.core.support import Actor, Journal, crash, error_of, eventually
from tests.core.telemetry.support import Metered


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> Metered:
    return Metered(monkeypatch)


def by(points: list[tuple[dict[str, Any], Any]], attribute: str) -> dict[Any, Any]:
    return {attributes.get(attribute): value for attributes, value in points}


@pytest.mark.promise(id="SEM-1703")
async def test_mailboxes_and_asks_are_gauges(metered: Metered) -> None:
    journal = Journal()
    agents = [Actor("a", journal, shutdown_timeout=0), Actor("idle", journal)]
    async with Runtime(Supervisor("root", agents), drain_timeout=0) as runtime:
        asks = [asyncio.create_task(runtime.ask("a", n, "hold")) for n in range(3)]
        await journal.until("hold a")
        points = metered.points()
        assert by(points[names.MAILBOX_DEPTH], names.DESTINATION) == {"a": 2, "idle": 0}
        assert by(points[names.ASKS_IN_FLIGHT], names.NODE_NAME) == {"root": 3}
        states = by(points[names.NODE_STATE], names.NODE_STATE_NAME)
        assert states == {"up": 1, "starting": 0, "leaving": 0, "down": 0}
        for each in asks:
            each.cancel()
        await asyncio.wait(asks)
    assert names.MAILBOX_DEPTH not in metered.points()


@pytest.mark.promise(id="SEM-1703")
async def test_what_waits_is_handled_and_comes_again_is_measured(metered: Metered) -> None:
    class Second(AgentProcess):
        async def handle(self, message: Message) -> Message:
            if message.attempt < 1:
                raise ValueError("not yet")
            return self.reply(message.attempt)

    again = Second("a", delivery="at_least_once")
    async with Runtime(Supervisor("root", [again], backoff="none")) as runtime:
        await runtime.ask("a", 1)
        await runtime.ask("a", 2)
    points = metered.points()
    for name, count in ((names.MAILBOX_WAIT, 4), (names.REDELIVERIES, 2), (names.RESTARTS, 2)):
        ((_, value),) = points[name]
        assert value == count, name
    assert by(points[names.PROCESS_DURATION], names.ERROR_TYPE) == {None: 2, "ValueError": 2}


@pytest.mark.promise(id="SEM-1703")
async def test_a_supervisor_that_gives_up_is_counted_by_its_name(metered: Metered) -> None:
    team = Supervisor("team", [Actor("a", Journal())], max_restarts=0)
    async with Runtime(Supervisor("root", [team], backoff="none")) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: names.GAVE_UPS in metered.points())
        points = metered.points()
    assert by(points[names.GAVE_UPS], names.AGENT_NAME) == {"team": 1}


@pytest.mark.promise(id="SEM-1703")
async def test_conversations_count_under_the_name_of_their_pool(metered: Metered) -> None:
    pool = ConversationPool("pool", Actor("child", Journal()))
    async with Runtime(Supervisor("root", [pool])) as runtime:
        for user in ("ann", "bob"):
            await runtime.ask("pool", 1, conversation=user)
        await crash(runtime, "pool")
        await eventually(lambda: names.CRASHES in metered.points())
        points = metered.points()
    named = {attributes[names.DESTINATION] for attributes, _ in points[names.PROCESSED]}
    assert named == {"pool"}
    assert by(points[names.CRASHES], names.AGENT_NAME) == {"pool": 1}


@pytest.mark.promise(id="SEM-1703")
async def test_runs_of_durable_agents_are_counted_by_their_status(metered: Metered) -> None:
    journal = Journal()
    async with system(durable(journal)) as runtime:
        await runtime.ask("a", 1)
        await runtime.send("a", 2, "hold")
        await journal.until("hold a")
        await runtime.send("a", 3)
        points = metered.points()
    assert by(points[names.RUNS_KEPT], names.RUN_STATUS) == {"done": 1, "running": 1, "accepted": 1}


@pytest.mark.promise(id="SEM-1703")
async def test_the_lag_of_the_loop_is_measured(metered: Metered) -> None:
    async with Runtime(Supervisor("root", [])):
        async with asyncio.timeout(5):
            while names.LOOP_LAG not in (points := metered.points()):
                await asyncio.sleep(0.02)
    assert by(points[names.LOOP_LAG], names.NODE_NAME).keys() == {"root"}


@pytest.mark.promise(id="SEM-1702")
async def test_a_call_of_a_model_and_of_a_tool_is_measured_where_nothing_is_traced(
    metered: Metered,
) -> None:
    async def look(q: str) -> str:
        """Look it up."""
        return q

    class Calls(AgentProcess):
        async def handle(self, message: Message) -> Message:
            assert self.llm is not None
            assert self.tools is not None
            await self.llm.chat("m", [{"role": "user", "content": "hi"}])
            with self.llm_span("by-hand") as span:
                span.set_attribute(names.INPUT_TOKENS, 7)
            return self.reply(await self.tools.call("look", q="x"))

    from civitas.models import ModelResponse

    answer = ModelResponse("ok", tokens_in=10, tokens_out=4, tokens_cached=3, tokens_reasoning=1)
    runtime = Runtime(
        Supervisor("root", [Calls("a")]), model_provider=ScriptedModel([answer]), tools=[look]
    )
    async with runtime:
        await runtime.ask("a", 1)
    points = metered.points()
    for name in (names.INFERENCE_DURATION, names.OPERATION_DURATION):
        assert by(points[name], names.REQUEST_MODEL) == {"m": 1, "by-hand": 1}
    assert by(points[names.TOKEN_USAGE], names.TOKEN_TYPE).keys() == {"input", "output"}
    assert by(points[names.TOOL_DURATION], names.TOOL_NAME) == {"look": 1}
    used = by(points[names.INPUT_TOKENS_USED], names.REQUEST_MODEL)
    assert used == {"m": 10, "by-hand": 7}
    for name, count in (
        (names.OUTPUT_TOKENS_USED, 4),
        (names.CACHE_READ_TOKENS_USED, 3),
        (names.REASONING_TOKENS_USED, 1),
    ):
        ((attributes, value),) = points[name]
        assert value == count
        assert attributes[names.PROVIDER] == "scripted"


@pytest.mark.promise(id="SEM-1707")
async def test_a_meter_provider_that_an_agent_sets_up_is_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", None)
    reader = InMemoryMetricReader()

    class SetsUp(AgentProcess):
        async def on_start(self) -> None:
            monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", MeterProvider([reader]))

        async def handle(self, message: Message) -> None:
            raise ValueError("no")

    async with Runtime(Supervisor("root", [SetsUp("a")])) as runtime:
        await error_of(runtime.ask("a", 1))
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        each.name
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for each in scope.metrics
    }
    assert {names.CRASHES, names.PROCESSED} <= found


@pytest.mark.promise(id="SEM-1727")
async def test_a_scrape_takes_nothing_away_from_the_provider_of_the_application(
    metered: Metered,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", Journal())])) as runtime:
        runtime.scrape()
        await runtime.ask("a", 1)
        scraped = runtime.scrape()
        points = metered.points()
    assert by(points[names.PROCESSED], names.DESTINATION) == {"a": 1}
    [line] = [each for each in scraped.splitlines() if each.startswith("messaging_client_")]
    assert line.endswith("} 1")
