"""Log records say where they come from: the agent, the OS process, the conversation, the trace."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from civitas.telemetry import names

__all__ = ["ABOUT", "SPAN_ID", "TRACE_ID", "come_from", "place_of", "trace_of", "where_from"]

TRACE_ID: Final = "otelTraceID"
"""The attribute that OpenTelemetry's own instrumentation of logging gives a record, too: 32 hexadecimal digits."""
SPAN_ID: Final = "otelSpanID"

_WORDS = (
    ("agent", names.AGENT_NAME),
    ("conversation", names.CONVERSATION),
    ("process", names.NODE_NAME),
    ("trace", TRACE_ID),
)

ABOUT: ContextVar[Mapping[str, Any] | None] = ContextVar("civitas_log_about", default=None)
"""While it is set, what is logged is about this, and not about the code that logs it."""
_describe: Callable[[], Mapping[str, Any]] | None = None


def come_from(describe: Callable[[], Mapping[str, Any]]) -> None:
    """Give each log record of this OS process, from now on, what `describe` says of the code that logs.

    Args:
        describe: Returns attributes of the record, by the names that the same things have on spans.
    """
    global _describe
    if _describe is None:
        make = logging.getLogRecordFactory()

        def record(*args: Any, **named: Any) -> logging.LogRecord:
            made = make(*args, **named)
            if _describe is not None:
                made.__dict__.update(ABOUT.get() or _describe())
            return made

        logging.setLogRecordFactory(record)
    _describe = describe


def where_from(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace that code belongs to: of the current span, or of the message with these headers."""
    if (trace := sys.modules.get("opentelemetry.trace")) is not None:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return {TRACE_ID: f"{context.trace_id:032x}", SPAN_ID: f"{context.span_id:016x}"}
    return trace_of(headers)


def trace_of(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The trace of the message with these headers; nothing if they name none."""
    parts = (headers or {}).get("traceparent", "").split("-")
    return {TRACE_ID: parts[1], SPAN_ID: parts[2]} if len(parts) == 4 else {}


def place_of(record: logging.LogRecord) -> str:
    """What a record says of where it comes from, for a person; empty if it says nothing."""
    told = record.__dict__
    if names.AGENT_NAME not in told:
        return ""
    return ", ".join(f"{word} {told[name]}" for word, name in _WORDS if told.get(name))
