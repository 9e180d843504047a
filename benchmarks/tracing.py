"""What tracing adds to an ask, beside the same two spans made by hand with the SDK.

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

from benchmarks.limits import PAYLOAD
from benchmarks.ours import echoes
from civitas import Runtime

_BATCHES, _ROUNDS = 30, 100

Measurement = Callable[[], Awaitable[float]]


def install(sampler: Sampler) -> None:
    """Make it the process's tracer provider; its spans go nowhere."""
    provider = TracerProvider(sampler=ParentBased(sampler), shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    # A process has one provider for life; a benchmark compares several.
    trace._TRACER_PROVIDER = provider


def sdk(sampler: Sampler) -> Measurement:
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
    return {
        "messaging.system": "limit",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": "e0",
        "messaging.message.id": "0199c0de-0000-7000-8000-000000000000",
        "message.type": "message",
    }


def ask(sampler: Sampler) -> Measurement:
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


sampled_out = sdk(ALWAYS_OFF), ask(ALWAYS_OFF)
recorded = sdk(ALWAYS_ON), ask(ALWAYS_ON)
