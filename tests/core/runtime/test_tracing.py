"""One trace through agents, crashes and restarts, with the real SDK in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Decider, Journal, crash


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


class Relay(AgentProcess):
    """Asks the agent it is told to, from inside its handler."""

    async def handle(self, message: Message) -> Message:
        return self.reply((await self.ask(message.payload, "inner")).payload)


class SyncRelay(AgentProcess):
    """The same from a thread."""

    def handle(self, message: Message) -> Message:  # type: ignore[override]
        return self.reply(self.run(self.ask(message.payload, "inner")).payload)


def ancestry(spans: InMemorySpanExporter) -> dict[str, str | None]:
    """Each span's name with that of its parent."""
    finished = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in finished if span.context}
    return {span.name: names.get(span.parent.span_id) if span.parent else None for span in finished}


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    return next(span for span in spans.get_finished_spans() if span.name == name)


@pytest.mark.promise(id="SEM-611")
@pytest.mark.parametrize("relay", [Relay, SyncRelay])
async def test_one_request_through_two_agents_is_one_trace(
    spans: InMemorySpanExporter, relay: type[AgentProcess]
) -> None:
    async with Runtime(Supervisor("root", [relay("relay"), Actor("a", Journal())])) as runtime:
        with trace.get_tracer("test").start_as_current_span("request"):
            await runtime.ask("relay", "a", conversation="c-1")
    assert ancestry(spans) == {
        "request": None,
        "send relay": "request",
        "process relay": "send relay",
        "send a": "process relay",
        "process a": "send a",
    }
    attributes = named(spans, "process a").attributes or {}
    assert attributes["gen_ai.conversation.id"] == "c-1"


async def test_messages_of_different_requests_do_not_share_a_trace(
    spans: InMemorySpanExporter,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", Journal())])) as runtime:
        await asyncio.gather(*(runtime.ask("a", n) for n in range(5)))
    traces = {span.context.trace_id for span in spans.get_finished_spans() if span.context}
    assert len(traces) == 5


@pytest.mark.promise(id="SEM-114")
async def test_headers_of_the_sender_reach_the_recipient_beside_the_trace(
    spans: InMemorySpanExporter,
) -> None:
    class Shows(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(dict(message.headers))

    async with Runtime(Supervisor("root", [Shows("a")])) as runtime:
        headers = (await runtime.ask("a", 1, headers={"x-tenant": "t"})).payload
    assert headers["x-tenant"] == "t"
    assert headers["traceparent"].startswith("00-")


@pytest.mark.promise(id="SEM-612")
async def test_a_crash_and_its_restart_show_in_the_trace_of_the_message(
    spans: InMemorySpanExporter,
) -> None:
    journal = Journal()
    async with Runtime(Supervisor("root", [Actor("a", journal)], backoff="none")) as runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
        await runtime.ask("a", 1)
    process = named(spans, "process a")
    assert not process.status.is_ok
    assert [event.name for event in process.events] == ["civitas.crash", "exception"]
    restart = named(spans, "restart a")
    assert process.context is not None
    assert restart.context is not None
    assert restart.context.trace_id == process.context.trace_id


async def test_a_handler_that_succeeds_by_a_retry_has_not_failed(
    spans: InMemorySpanExporter,
) -> None:
    class Once(Decider):
        async def handle(self, message: Message) -> Message | None:
            if message.attempt == 0:
                raise ValueError("once")
            return self.reply(1)

    async with Runtime(Supervisor("root", [Once("a", Journal(), ErrorAction.RETRY)])) as runtime:
        await runtime.ask("a", 1)
    process = named(spans, "process a")
    assert process.status.is_unset
    assert [event.name for event in process.events] == ["exception"]


@pytest.mark.promise(id="SEM-613")
async def test_without_a_provider_nothing_is_added_to_a_message() -> None:
    class Shows(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(dict(message.headers))

    async with Runtime(Supervisor("root", [Shows("a")])) as runtime:
        assert (await runtime.ask("a", 1)).payload == {}
