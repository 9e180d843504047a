"""Brings the spans of other OS processes to the root, where somebody there looks at them.

An application that records its own spans, or shows them with ``--trace``, has one provider, in the process of the root.
A worker whose environment names no exporter has none. So it hands its finished spans over as plain data, and the root
puts them where its own go. A worker that exports by itself hands them over only to be shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.telemetry.setup import is_own

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["begin", "take", "wanted"]


def wanted() -> str:
    """Which spans of other processes are wanted here: `shown` for all, `recorded` for those not exported, or ''."""
    processors = _processors()
    if any(_shows(each) for each in processors):
        return "shown"
    return "recorded" if processors and not _provider_is_own() else ""


def begin(hand_over: Callable[[list[dict[str, Any]]], None], loop: Any) -> None:
    """Hand over each span of this process that ends from now on, those of one turn of the loop together."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from civitas.telemetry.setup import resource

    waiting: list[dict[str, Any]] = []

    def out() -> None:
        spans = waiting[:]
        waiting.clear()
        hand_over(spans)

    def add(span: dict[str, Any]) -> None:
        if not waiting:
            loop.call_soon(out)
        waiting.append(span)

    class SpanRelay(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            context = span.get_span_context()
            if context is not None and context.trace_flags.sampled and not loop.is_closed():
                loop.call_soon_threadsafe(add, _plain(span))

    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(resource=resource("civitas"))
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SpanRelay())


def take(spans: list[dict[str, Any]], exported: bool) -> None:
    """Send spans of another process where those of this one go.

    Args:
        spans: As `begin` handed them over.
        exported: Whether that process exports them itself; then they are only shown.
    """
    for processor in _processors():
        shows = _shows(processor)
        if exported and not shows:
            continue
        for plain in spans:
            span = _span(plain)
            if shows:  # it counts what is open
                processor.on_start(span)
            processor.on_end(span)


def _processors() -> tuple[Any, ...]:
    # Only where somebody brought the SDK: a look must not import it.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or "opentelemetry.sdk.trace" not in sys.modules:
        return ()
    all_of_them = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    return tuple(getattr(all_of_them, "_span_processors", ()))


def _provider_is_own() -> bool:
    return is_own(sys.modules["opentelemetry.trace"].get_tracer_provider())


def _shows(processor: Any) -> bool:
    return bool(getattr(processor, "shows_other_processes", False))


def _plain(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None  # it has ended
    scope = span.instrumentation_scope
    return {
        "name": span.name,
        "trace": f"{context.trace_id:x}",
        "span": f"{context.span_id:x}",
        "parent": f"{span.parent.span_id:x}" if span.parent else None,
        "kind": span.kind.value,
        "start": span.start_time,
        "end": span.end_time,
        "attributes": dict(span.attributes or {}),
        "events": [
            [each.name, each.timestamp, dict(each.attributes or {})] for each in span.events
        ],
        "status": [span.status.status_code.value, span.status.description],
        "resource": dict(span.resource.attributes),
        "scope": [scope.name, scope.version] if scope is not None else None,
    }


def _span(plain: dict[str, Any]) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span: str, remote: bool) -> SpanContext:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(plain["trace"], 16), int(span, 16), remote, sampled)

    code, description = plain["status"]
    return ReadableSpan(
        plain["name"],
        context=context(plain["span"], False),
        parent=context(plain["parent"], True) if plain["parent"] else None,
        resource=Resource(plain["resource"]),
        attributes=plain["attributes"],
        events=[Event(name, attributes, at) for name, at, attributes in plain["events"]],
        kind=SpanKind(plain["kind"]),
        instrumentation_scope=InstrumentationScope(*plain["scope"]) if plain["scope"] else None,
        status=Status(StatusCode(code), description),
        start_time=plain["start"],
        end_time=plain["end"],
    )
