"""The trace that a caller is in."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["trace_of"]

_KEYS = ("traceparent", "tracestate", "baggage")


def trace_of(request: Request) -> dict[str, str] | None:
    """The headers by which W3C trace context and baggage travel on; None without any."""
    found = {key: request.headers[key] for key in _KEYS if key in request.headers}
    return found or None
