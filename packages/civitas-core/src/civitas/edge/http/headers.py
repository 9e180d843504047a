"""What travels in headers: the trace that a caller is in, and names that it is told."""

from __future__ import annotations

from starlette.requests import Request

__all__ = ["header", "trace_of"]

_KEYS = ("traceparent", "tracestate", "baggage")


def trace_of(request: Request) -> dict[str, str] | None:
    """The headers by which W3C trace context and baggage travel on; None without any."""
    found = {key: request.headers[key] for key in _KEYS if key in request.headers}
    return found or None


def header(name: str, text: str | None) -> dict[str, str]:
    """A header with that text; none if there is no text, or one that no header can carry."""
    fits = text is not None and text.isascii() and text.isprintable() and text == text.strip()
    return {name: text} if text is not None and fits else {}
