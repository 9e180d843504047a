"""Carries a span from a message's sender to its receiver, by the propagator that OpenTelemetry is set to.

The usual one is W3C trace context with baggage. For that, and a message without baggage or trace state, the header is
written and read here: the propagators, made for any carrier, take as long as a span that is not recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["CURRENT_SPAN", "Propagation"]

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_USUAL = (TraceContextTextMapPropagator, W3CBaggagePropagator)
_FLAGS: Final = {f"{flags:02x}": TraceFlags(flags) for flags in range(256)}

# OpenTelemetry has no public names for these, only functions that set and read what stands there; each copies the
# context, or looks for the current one again.
CURRENT_SPAN: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Key of a context under which its span stands."""
_BAGGAGE: Final = next(iter(baggage.set_baggage("any", "thing", Context())))


class Propagation:
    """Writes and reads the headers of messages."""

    __slots__ = ("_last", "_usual")

    def __init__(self) -> None:
        current = propagate.get_global_textmap()
        # The header written last: of a message that is handled at once it need not be read.
        self._last: tuple[str | None, SpanContext] = None, INVALID_SPAN_CONTEXT
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
        if within is None:
            within = get_current()
        if _BAGGAGE not in within and propagate.get_global_textmap() is self._usual:
            trace_id, span_id, _, flags, state, is_valid = span.get_span_context()
            if is_valid and not state:
                text = "00-%032x-%016x-%02x" % (trace_id, span_id, flags)  # noqa: UP031  # half the time
                self._last = text, SpanContext(trace_id, span_id, True, flags)
                return {"traceparent": text}
        headers: dict[str, str] = {}
        propagate.inject(headers, set_span_in_context(span, within))
        return headers

    def extract(self, headers: Mapping[str, str]) -> Context:
        """The context that the headers carry; a fresh one where they carry none."""
        if propagate.get_global_textmap() is self._usual:
            if not headers:
                return Context()
            if "baggage" not in headers and "tracestate" not in headers:
                text = headers.get("traceparent", "")
                written, where = self._last
                if text is written:
                    return Context({CURRENT_SPAN: NonRecordingSpan(where)})
                found = _TRACEPARENT.fullmatch(text)
                if found is not None:
                    trace_id, span_id, flags = found.groups()
                    where = SpanContext(int(trace_id, 16), int(span_id, 16), True, _FLAGS[flags])
                    return Context({CURRENT_SPAN: NonRecordingSpan(where)})
        return propagate.extract(headers)
