"""What tracing adds to an ask, beside the same two spans made by hand with OpenTelemetry.

Processor time, not time on the clock: an ask with spans is so much longer than one without that a busy machine
interrupts it more often, which would be counted as its cost.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import median

from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler

from benchmarks.agents import echoes
from benchmarks.harness import PAYLOAD, Benchmark, at_most, at_most_beside, in_loop
from civitas import Runtime
from civitas.telemetry.tracing import Tracing

__all__ = ["OFF", "RECORDED", "SAMPLED_OUT"]

_BATCHES, _ROUNDS = 30, 100


def _install(sampler: Sampler) -> None:
    """Make it the process's tracer provider; its spans go nowhere."""
    provider = TracerProvider(sampler=ParentBased(sampler), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    # A process has one provider for life; a benchmark compares several.
    trace._TRACER_PROVIDER = provider


def _sdk(sampler: Sampler) -> Callable[[], Awaitable[float]]:
    """Microseconds of a producer and a consumer span, as OpenTelemetry's documentation writes them."""

    async def spans() -> float:
        _install(sampler)
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
    return {
        "messaging.system": "limit",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": "e0",
        "messaging.message.id": "0199c0de-0000-7000-8000-000000000000",
        "message.type": "message",
    }


def _ask(sampler: Sampler) -> Callable[[], Awaitable[float]]:
    """Microseconds that an ask takes longer with tracing than without."""

    async def longer() -> float:
        _install(sampler)
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
    """Microseconds of what an ask does for tracing while it is off: look whether it is on."""
    tracing = Tracing()
    times = range(_BATCHES * _ROUNDS)
    started = time.process_time()
    for _ in times:
        pass
    empty = time.process_time() - started
    started = time.process_time()
    for _ in times:
        on = tracing.active  # in the router
        on = tracing.active or tracing.metrics.active  # in the recipient
    assert not on
    return (time.process_time() - started - empty) / (_BATCHES * _ROUNDS) * 1e6


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
    {"limit": in_loop(_sdk(ALWAYS_OFF)), "civitas": in_loop(_ask(ALWAYS_OFF))},
    at_most(1.25),
)
RECORDED = Benchmark(
    "an ask's spans, recorded",
    "µs",
    {"limit": in_loop(_sdk(ALWAYS_ON)), "civitas": in_loop(_ask(ALWAYS_ON))},
    at_most_beside(15, "µs"),
)
