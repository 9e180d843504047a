"""One operation of an agent: the call of a model or of a tool, a run, a step of it. Its span, and what is measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, get_current, get_value
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)

from civitas.telemetry import names, nesting

if TYPE_CHECKING:
    from civitas.telemetry.metrics import Metrics

__all__ = ["CONVERSATION", "Operation", "fail"]

CONVERSATION: Final = "civitas.conversation"
"""Key of the context, under which the conversation of the message that is handled stands."""


class NotingSpan(NonRecordingSpan):
    """A span that goes nowhere, but whose attributes somebody wants: for metrics, or for a span around it."""

    def __init__(self, where: SpanContext, attributes: Mapping[str, Any]) -> None:
        super().__init__(where)
        self.attributes = dict(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)


class Operation:
    """One operation that began.

    The call of a model that is told already, by an instrumentation around it, gets no span: what is known of it goes
    to that.

    Args:
        tracer: Makes the span.
        metrics: Measure it.
        name: Of the span.
        attributes: Of the span.
        parent: The context it is part of; None for the current one.

    Attributes:
        span: Its span; the current one if it gets none.
        context: What is to be current inside; None if it changes nothing.
    """

    __slots__ = ("_attributes", "_began", "_cover", "_metrics", "_outer", "context", "span")

    def __init__(
        self,
        tracer: Tracer,
        metrics: Metrics,
        name: str,
        attributes: dict[str, Any],
        parent: Context | None = None,
    ) -> None:
        self._metrics = metrics
        self._attributes = attributes
        self._cover: nesting.Cover | None = None
        calls_model = attributes.get(names.GEN_AI_OPERATION) == "chat"
        if calls_model and (conversation := get_value(CONVERSATION)) is not None:
            attributes.setdefault(names.CONVERSATION, str(conversation))
        self._outer = nesting.outer() if calls_model else None
        self.context: Context | None = None
        if self._outer is not None or nesting.is_suppressed():
            self.span: Span = NotingSpan(get_current_span().get_span_context(), attributes)
            return
        kind = SpanKind.CLIENT if calls_model else SpanKind.INTERNAL
        span = tracer.start_span(name, parent, kind, attributes)
        self.context = set_span_in_context(span, parent)
        if calls_model:
            self._cover = nesting.Cover()
            self.context = self._cover.context(self.context)
        if metrics.active and not span.is_recording():
            span = NotingSpan(span.get_span_context(), attributes)
        self.span = span
        self._began = time.perf_counter()

    def aside(self) -> Context | None:
        """The current context, with what keeps calls inside this one from being told again; None if nothing does.

        For where its span cannot be made the current one.
        """
        return self._cover.context(get_current()) if self._cover is not None else None

    def end(
        self,
        attributes: Mapping[str, Any] | None = None,
        error_type: str | None = None,
    ) -> None:
        """It has ended.

        Args:
            attributes: What is known only now; those that are None are left out.
            error_type: The class name of what went wrong; None if nothing did.
        """
        span = self.span
        for word, value in (attributes or {}).items():
            if value is not None:
                span.set_attribute(word, value)
        told = getattr(span, "attributes", None) or self._attributes
        if self._outer is not None:
            nesting.publish(self._outer, told)
            return
        if self.context is None:  # suppressed
            return
        if self._cover is not None:
            for word, value in self._cover.known().items():
                if word not in told:
                    span.set_attribute(word, value)
            self._cover.end()
            told = getattr(span, "attributes", None) or told
        if self._metrics.active:
            seconds = time.perf_counter() - self._began
            self._metrics.operation(told, seconds, error_type)
        span.end()


def fail(span: Span, error: BaseException | type[BaseException] | str, text: str) -> str:
    """Mark `span` as failed.

    Args:
        span: It.
        error: An exception, its class, or a text where nobody knows more.
        text: What to say of it.

    Returns:
        The type of the error, as its attribute has it.
    """
    kind = "_OTHER"
    if not isinstance(error, str):
        kind = (error if isinstance(error, type) else type(error)).__name__
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR, text))
    return kind
