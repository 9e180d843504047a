"""`SpanTree`: the spans of one framework run."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_tracer,
    set_span_in_context,
    use_span,
)

from civitas.telemetry import names

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

__all__ = ["SpanTree"]


class SpanTree:
    """Turns a framework's own start and end events into spans below the run's span.

    A framework names its runs by ids of its own; they are the keys here. Prompts, answers and tool arguments are not
    recorded.

    Args:
        root: The span of the run.
    """

    def __init__(self, root: Span) -> None:
        self.root = root
        self._tracer = get_tracer(names.SCOPE)
        self._open: dict[Hashable, tuple[Span, Token[Context] | None]] = {}
        self._skipped: dict[Hashable, Hashable] = {}

    def start(
        self,
        key: Hashable,
        parent: Hashable,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        current: bool = True,
    ) -> None:
        """Start a span.

        Args:
            key: The framework's id of what begins.
            parent: The id of what it is part of; an id that is not open means the run itself.
            name: Name of the span.
            attributes: Its attributes; those that are None are left out.
            current: Make it the current span here, so that spans made by the user's own code become its children.
        """
        above, _ = self._open.get(self._skipped.get(parent, parent), (self.root, None))
        context = set_span_in_context(above)
        kept = {word: value for word, value in (attributes or {}).items() if value is not None}
        kind = SpanKind.CLIENT if kept.get(names.GEN_AI_OPERATION) == "chat" else SpanKind.INTERNAL
        span = self._tracer.start_span(name, context, kind, kept)
        token = otel_context.attach(set_span_in_context(span)) if current else None
        self._open[key] = span, token

    @contextmanager
    def within(self, key: Hashable) -> Iterator[None]:
        """Make the span of `key` the current one inside, where it could not be made so when it was started."""
        span, _ = self._open.get(key, (None, None))
        if span is None:
            yield
        else:
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield

    def skip(self, key: Hashable, parent: Hashable) -> None:
        """Make no span for `key`: what it contains becomes part of `parent`."""
        self._skipped[key] = self._skipped.get(parent, parent)

    def rename(self, key: Hashable, name: str) -> None:
        """Give an open span the name that was not known when it began."""
        if key in self._open:
            self._open[key][0].update_name(name)

    def end(
        self,
        key: Hashable,
        attributes: Mapping[str, Any] | None = None,
        *,
        error: BaseException | type[BaseException] | str | None = None,
    ) -> None:
        """End a span, or what was skipped; nothing happens if none is open.

        Args:
            key: What it was started with.
            attributes: What is known only now.
            error: What went wrong: an exception, its class, or a short text where the framework tells no more.
        """
        span, token = self._open.pop(key, (None, None))
        if span is None:
            self._skipped.pop(key, None)
            return
        for word, value in (attributes or {}).items():
            if value is not None:
                span.set_attribute(word, value)
        if error is not None:
            _fail(span, error)
        if token is not None:
            # Some frameworks report the end from another task than the start; there is nothing to undo there.
            with suppress(ValueError):
                token.var.reset(token)
        span.end()

    def close(self, *, cancelled: bool = True) -> None:
        """End whatever is still open: a run that was cancelled reports no ends, nor does one that waits for a human.

        Args:
            cancelled: Mark it as cancelled.
        """
        for key in reversed(list(self._open)):
            self.end(key, error=CancelledError() if cancelled else None)


def _fail(span: Span, error: BaseException | type[BaseException] | str) -> None:
    if isinstance(error, str):
        kind, text = "_OTHER", error
    else:
        kind = text = (error if isinstance(error, type) else type(error)).__name__
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR, text))
