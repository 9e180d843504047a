"""What tracing and metrics add to an ask, beside the same made by hand with OpenTelemetry.

Processor time, not time on the clock: an ask with spans is so much longer than one without that a busy machine
interrupts it more often, which would be counted as its cost.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from statistics import median

from opentelemetry import metrics, propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler

from benchmarks.agents import Echo, echoes
from benchmarks.harness import PAYLOAD, Benchmark, at_most, at_most_beside, in_loop
from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.telemetry.tracing import Tracing

__all__ = ["MEASURED", "OFF", "RECORDED", "SAMPLED_OUT", "UNWATCHED", "install"]

_BATCHES, _ROUNDS = 30, 100


def install(sampler: Sampler) -> None:
    """Make it the process's tracer provider; its spans go nowhere."""
    provider = TracerProvider(sampler=ParentBased(sampler), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    # A process has one provider for life; a benchmark compares several.
    trace._TRACER_PROVIDER = provider


def _sdk(sampler: Sampler) -> Callable[[], Awaitable[float]]:
    """Microseconds of a producer and a consumer span, as OpenTelemetry's documentation writes them."""

    async def spans() -> float:
        install(sampler)
        tracer = trace.get_tracer("limit")
        batches = []
        for _ in range(_BATCHES):
            started = time.process_time()
            for _ in range(_ROUNDS):
                headers: dict[str, str] = {}
                with tracer.start_as_current_span(
                    "send e0", kind=trace.SpanKind.PRODUCER, attributes=_attributes("send")
                ):
                    propagate.inject(headers)
                    with tracer.start_as_current_span(
                        "process e0",
                        propagate.extract(headers),
                        kind=trace.SpanKind.CONSUMER,
                        attributes=_attributes("process"),
                    ):
                        pass
            batches.append(time.process_time() - started)
        return median(batches) / _ROUNDS * 1e6

    return spans


def _attributes(operation: str) -> dict[str, str]:
    about = {"gen_ai.agent.name": "e0"} if operation == "process" else {}
    return about | {
        "messaging.system": "limit",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": "e0",
        "messaging.message.id": "0199c0de-0000-7000-8000-000000000000",
        "message.type": "message",
    }


class _ByHand(AgentProcess):
    """Answers with what it was asked, in a span of its own."""

    tracer: trace.Tracer

    async def handle(self, message: Message) -> Message:
        """Answer."""
        with self.tracer.start_as_current_span(
            "process e0",
            propagate.extract(message.headers),
            kind=trace.SpanKind.CONSUMER,
            attributes=_attributes("process"),
        ):
            return self.reply(message.payload)


def _by_hand(sampler: Sampler) -> Callable[[], Awaitable[float]]:
    """Microseconds that an ask takes longer with the same spans around it than without, both without our tracing."""

    async def longer() -> float:
        install(sampler)
        tracer = _ByHand.tracer = trace.get_tracer("limit")

        async def in_spans() -> float:
            started = time.process_time()
            for _ in range(_ROUNDS):
                headers: dict[str, str] = {}
                with tracer.start_as_current_span(
                    "send e0", kind=trace.SpanKind.PRODUCER, attributes=_attributes("send")
                ):
                    propagate.inject(headers)
                    await runtime.ask("spans", PAYLOAD, headers=headers)
            return time.process_time() - started

        root = Supervisor("root", [Echo("e0"), _ByHand("spans")])
        async with Runtime(root) as runtime:
            runtime._node.tracing.active = False
            differences = []
            for _ in range(_BATCHES):
                without = await _asks(runtime)
                differences.append(await in_spans() - without)
        trace._TRACER_PROVIDER = None
        return median(differences) / _ROUNDS * 1e6

    return longer


def _ask(sampler: Sampler) -> Callable[[], Awaitable[float]]:
    """Microseconds that an ask takes longer with tracing than without."""

    async def longer() -> float:
        install(sampler)
        async with Runtime(echoes(1)) as runtime:
            tracing = runtime._node.tracing
            assert tracing.active
            differences = []
            for _ in range(_BATCHES):
                tracing.active = False
                without = await _asks(runtime)
                tracing.active = True
                differences.append(await _asks(runtime) - without)
        trace._TRACER_PROVIDER = None
        return median(differences) / _ROUNDS * 1e6

    return longer


async def _asks(runtime: Runtime) -> float:
    started = time.process_time()
    for _ in range(_ROUNDS):
        await runtime.ask("e0", PAYLOAD)
    return time.process_time() - started


async def _no_op_spans() -> float:
    tracer = trace.NoOpTracer()
    started = time.process_time()
    for _ in range(_BATCHES * _ROUNDS):
        with tracer.start_as_current_span("send"), tracer.start_as_current_span("process"):
            pass
    return (time.process_time() - started) / (_BATCHES * _ROUNDS) * 1e6


async def _ask_untraced() -> float:
    async with Runtime(echoes(1)) as runtime:
        batches = [await _asks(runtime) for _ in range(_BATCHES)]
        return median(batches) / _ROUNDS * 1e6


async def _looks() -> float:
    """Microseconds of what an ask does for tracing while it is off: look whether it is on, or something to pass on."""
    tracing = Tracing()
    handled: ContextVar[Message | None] = ContextVar("handled", default=None)
    handled.set(Message(type="message", recipient="e0", payload=PAYLOAD))
    times = range(_BATCHES * _ROUNDS)
    started = time.process_time()
    for _ in times:
        pass
    empty = time.process_time() - started
    started = time.process_time()
    for _ in times:
        on = tracing.active  # in the router
        message = handled.get(None)
        passed = message is not None and message.headers and not tracing.active
        on = tracing.active or tracing.metrics.active  # in the recipient
    assert not on
    assert not passed
    return (time.process_time() - started - empty) / (_BATCHES * _ROUNDS) * 1e6


def _measure() -> MeterProvider:
    """Make a meter provider that of the process; its figures go nowhere."""
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    metrics._internal._METER_PROVIDER = provider
    return provider


async def _figures() -> float:
    """Microseconds of the figures of an ask, taken by hand: one that is counted, and two that are measured."""
    meter = _measure().get_meter("limit")
    counter, waits, takes = (
        meter.create_counter("count"),
        meter.create_histogram("waits"),
        meter.create_histogram("takes"),
    )
    batches = []
    for _ in range(_BATCHES):
        started = time.process_time()
        for _ in range(_ROUNDS):
            waits.record(time.time(), {"messaging.destination.name": "e0"})
            about = {
                "messaging.system": "limit",
                "messaging.operation.name": "process",
                "messaging.destination.name": "e0",
            }
            counter.add(1, about)
            takes.record(time.perf_counter(), about)
        batches.append(time.process_time() - started)
    return median(batches) / _ROUNDS * 1e6


async def _ask_measured() -> float:
    """Microseconds that an ask takes longer with metrics than without."""
    _measure()
    async with Runtime(echoes(1)) as runtime:
        figures = runtime._node.tracing.metrics
        assert figures.active
        differences = []
        for _ in range(_BATCHES):
            figures.active = False
            without = await _asks(runtime)
            figures.active = True
            differences.append(await _asks(runtime) - without)
    metrics._internal._METER_PROVIDER = None
    return median(differences) / _ROUNDS * 1e6


async def _second() -> float:
    return 1e6


async def _unwatched() -> float:
    """Microseconds in each second that a process whose telemetry nobody wants spends on it: one look."""
    tracing = Tracing()
    times = range(_BATCHES * _ROUNDS)
    started = time.process_time()
    for _ in times:
        tracing.look()
    return (time.process_time() - started) / len(times) * 1e6


OFF = Benchmark(
    "tracing off, of a whole ask",
    "µs",
    {
        "limit": in_loop(_ask_untraced),
        "2 no-op spans": in_loop(_no_op_spans),
        "civitas": in_loop(_looks),
    },
    at_most(0.05),
)
SAMPLED_OUT = Benchmark(
    "an ask's spans, sampled out",
    "µs",
    {
        "limit": in_loop(_sdk(ALWAYS_OFF)),
        "the same in an ask": in_loop(_by_hand(ALWAYS_OFF)),
        "civitas": in_loop(_ask(ALWAYS_OFF)),
    },
    at_most(1.25),
)
RECORDED = Benchmark(
    "an ask's spans, recorded",
    "µs",
    {
        "limit": in_loop(_sdk(ALWAYS_ON)),
        "the same in an ask": in_loop(_by_hand(ALWAYS_ON)),
        "civitas": in_loop(_ask(ALWAYS_ON)),
    },
    at_most_beside(15, "µs"),
)
MEASURED = Benchmark(
    "an ask's figures",
    "µs",
    {"limit": in_loop(_figures), "civitas": in_loop(_ask_measured)},
    at_most_beside(15, "µs"),
)
UNWATCHED = Benchmark(
    "telemetry that nobody wants, of a second",
    "µs",
    {"limit": in_loop(_second), "civitas": in_loop(_unwatched)},
    at_most(0.01),
)
