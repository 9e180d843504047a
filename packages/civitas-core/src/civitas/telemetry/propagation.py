"""Carries a span from a message's sender to its receiver, by the propagator that OpenTelemetry is set to.

The usual one is W3C trace context with baggage. For that, and a message without baggage or trace state, the header is
written and read here: the propagators, made for any carrier, cost half as much again as the span itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Propagation"]

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_USUAL = (TraceContextTextMapPropagator, W3CBaggagePropagator)


class Propagation:
    """Writes and reads the headers of messages."""

    __slots__ = ("_usual",)

    def __init__(self) -> None:
        current = propagate.get_global_textmap()
        parts = getattr(current, "_propagators", ())
        self._usual: TextMapPropagator | None = (
            current if tuple(map(type, parts)) == _USUAL else None
        )

    def inject(self, span: Span, within: Context | None = None) -> dict[str, str]:
        """The headers that make the receiver's span a child of `span`, and hand on the baggage.

        Args:
            span: It.
            within: The context whose baggage goes along; None for the current one.
        """
        where = span.get_span_context()
        if (
            propagate.get_global_textmap() is self._usual
            and where.is_valid
            and not where.trace_state
            and not baggage.get_all(within)
        ):
            return {
                "traceparent": f"00-{where.trace_id:032x}-{where.span_id:016x}-{where.trace_flags:02x}"
            }
        headers: dict[str, str] = {}
        propagate.inject(headers, set_span_in_context(span, within))
        return headers

    def extract(self, headers: Mapping[str, str]) -> Context:
        """The context that the headers carry; a fresh one where they carry none."""
        if propagate.get_global_textmap() is self._usual:
            if not headers:
                return Context()
            if "baggage" not in headers and "tracestate" not in headers:
                found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
                if found is not None:
                    trace_id, span_id, flags = found.groups()
                    where = SpanContext(
                        int(trace_id, 16), int(span_id, 16), True, TraceFlags(int(flags, 16))
                    )
                    return set_span_in_context(NonRecordingSpan(where), Context())
        return propagate.extract(headers)
