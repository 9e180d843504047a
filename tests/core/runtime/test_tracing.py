"""One trace through agents, crashes and restarts, with the real SDK in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from benchmarks.calls import counted
from civitas.message import Message
from civitas.process import AgentProcess, ErrorAction
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Decider, Journal, crash, eventually


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


@pytest.mark.promise(id="SEM-611")
@pytest.mark.parametrize("delivery", ["at_most_once", "durable"])
async def test_what_is_sent_later_belongs_to_the_trace_of_whoever_sent_it(
    spans: InMemorySpanExporter, delivery: str
) -> None:
    class Later(AgentProcess):
        async def handle(self, message: Message) -> Message:
            self.send_after(0.001, "a", 1)
            return self.reply(None)

    children = [Later("later", delivery=delivery), Actor("a", Journal())]
    async with Runtime(Supervisor("root", children)) as runtime:
        await runtime.ask("later", 1)
        await eventually(lambda: "process a" in ancestry(spans))
    assert ancestry(spans) == {
        "send later": None,
        "process later": "send later",
        "send a": "process later",
        "process a": "send a",
    }


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


# Deliveries.


@pytest.mark.promise(id="SEM-1706")
async def test_the_span_of_a_redelivered_message_is_linked_to_the_one_before(
    spans: InMemorySpanExporter,
) -> None:
    class Second(AgentProcess):
        async def handle(self, message: Message) -> Message:
            if message.attempt < 2:
                raise ValueError("not yet")
            return self.reply(message.attempt)

    again = Second("a", delivery="at_least_once")
    async with Runtime(Supervisor("root", [again], backoff="none")) as runtime:
        assert (await runtime.ask("a", 1)).payload == 2
    first, second, third = (each for each in spans.get_finished_spans() if each.name == "process a")
    assert not first.links
    assert [link.context for link in second.links] == [first.context]
    assert [link.context for link in third.links] == [second.context]
    assert first.parent == second.parent == third.parent


@pytest.mark.promise(id="SEM-1706")
async def test_a_message_that_a_kill_met_is_linked_to_the_span_of_that(
    spans: InMemorySpanExporter,
) -> None:
    journal = Journal()
    actor = Actor("a", journal, delivery="at_least_once", shutdown_timeout=0)
    async with Runtime(Supervisor("root", [actor]), drain_timeout=0) as runtime:
        asking = asyncio.create_task(runtime.ask("a", 1, "hold"))
        await journal.until("hold a")
        restarting = asyncio.create_task(runtime.restart("a"))
        await journal.until("hold a", 2)
        await restarting
        asking.cancel()
        await asyncio.wait([asking])
    first, second = (each for each in spans.get_finished_spans() if each.name == "process a")
    assert [link.context for link in second.links] == [first.context]


# What is set up late.


@pytest.mark.promise(id="SEM-1707")
@pytest.mark.parametrize("when", ["on_start", "handle"])
async def test_a_provider_that_an_agent_sets_up_is_joined(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    exporter = InMemorySpanExporter()

    def set_up() -> None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)

    class SetsUp(AgentProcess):
        async def on_start(self) -> None:
            if when == "on_start":
                set_up()

        async def handle(self, message: Message) -> Message:
            if message.payload == "set up":
                set_up()
            return self.reply(1)

    async with Runtime(Supervisor("root", [SetsUp("a")])) as runtime:
        if when == "handle":
            await runtime.ask("a", "set up")
            runtime._node.tracing.look()  # as each second
        await runtime.ask("a", 1)
    assert [each.name for each in exporter.get_finished_spans()] == ["process a", "send a"]


# Headers of the sender's own.


async def test_a_message_with_a_trace_context_of_its_own_belongs_to_that_trace(
    spans: InMemorySpanExporter,
) -> None:
    async with Runtime(Supervisor("root", [Relay("relay"), Actor("a", Journal())])) as runtime:
        await runtime.ask("relay", "a", headers={**CAME, "x-other": "kept"})
    send = named(spans, "send relay")
    assert send.parent is not None
    assert f"{send.parent.trace_id:032x}-{send.parent.span_id:016x}" in CAME["traceparent"]
    assert {each.context.trace_id for each in spans.get_finished_spans() if each.context} == {
        send.parent.trace_id
    }


# Without a provider.

CAME = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
    "tracestate": "vendor=value",
    "baggage": "tenant=acme",
}


class Passes(AgentProcess):
    """Sends on in the way that it is told."""

    async def handle(self, message: Message) -> Message | None:
        match message.payload:
            case "ask":
                return self.reply((await self.ask("last", 1)).payload)
            case "stream":
                async for each in self.stream("last", 1):
                    return self.reply(each.payload)
            case "send":
                await self.send("last", 1)
            case "broadcast":
                await self.broadcast("last", 1)
            case "send_after":
                self.send_after(0, "last", 1)
            case "own":
                headers = {"traceparent": CAME["traceparent"].replace("0af7", "1af7")}
                return self.reply((await self.ask("last", 1, headers=headers)).payload)
        return self.reply(None)


class Last(AgentProcess):
    """Tells what headers came."""

    def __init__(self, name: str, came: list[dict[str, str]]) -> None:
        super().__init__(name)
        self.came = came

    async def handle(self, message: Message) -> Message:
        self.came.append(dict(message.headers))
        return self.reply(dict(message.headers))


@pytest.mark.promise(id="SEM-1705")
async def test_a_process_that_records_nothing_passes_on_the_trace_context_and_baggage_that_came() -> (
    None
):
    came: list[dict[str, str]] = []
    async with Runtime(Supervisor("root", [Passes("first"), Last("last", came)])) as runtime:
        for way in ("ask", "stream", "send", "broadcast", "send_after"):
            await runtime.ask("first", way, headers={**CAME, "x-own": "not of the next"})
        await eventually(lambda: len(came) == 5)
        assert came == [CAME] * 5
        (own,) = [(await runtime.ask("first", "own", headers=CAME)).payload]
    assert own == {
        "traceparent": CAME["traceparent"].replace("0af7", "1af7"),
        "baggage": "tenant=acme",
    }


@pytest.mark.promise(id="SEM-613")
async def test_without_a_provider_nothing_is_added_to_a_message() -> None:
    class Shows(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(dict(message.headers))

    async with Runtime(Supervisor("root", [Shows("a")])) as runtime:
        assert (await runtime.ask("a", 1)).payload == {}


async def test_the_spans_of_an_ask_add_few_calls_to_it(spans: InMemorySpanExporter) -> None:
    async with Runtime(Supervisor("root", [Actor("a", Journal())])) as runtime:
        tracing = runtime._node.tracing
        calls = []
        for tracing.active in (False, True):
            calls.append(await counted(lambda: runtime.ask("a", "hello")))
    without, with_spans = calls
    assert with_spans.total - without.total <= 30, with_spans.names - without.names
