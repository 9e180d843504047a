"""`Tracing`: the switch between a runtime and OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from civitas.telemetry.content import Content, Redact, captures
from civitas.telemetry.joining import (
    followed,
    may_have_providers,
    meter_provider,
    names_providers,
    tracer_provider,
)
from civitas.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

    from civitas.message import Message
    from civitas.telemetry.operations import Operation
    from civitas.telemetry.recorder import Recorder

__all__ = ["Tracing"]


class Tracing:
    """The tracing of one runtime.

    Look at `active` before calling anything of the first group: while no tracer provider is installed it is False,
    OpenTelemetry is not even imported, and that look is the whole cost.

    Attributes:
        active: Whether spans go anywhere; as of the last `refresh`.
        metrics: Counters, histograms and gauges, with an `active` of their own.
        content: Makes attributes of what is said to models and tools; None unless the environment asks for it.
        redact: Changes what is about to be recorded of that; to be set before `refresh`.
        on_change: Called when other providers have been noticed.
        on_look: Called at each look, before it.
    """

    __slots__ = (
        "_named",
        "_provider",
        "_recorder",
        "active",
        "content",
        "metrics",
        "on_change",
        "on_look",
        "redact",
    )

    def __init__(self) -> None:
        self.active = False
        self.metrics = Metrics()
        self.content: Content | None = None
        self.redact: Redact | None = None
        self.on_change: Callable[[], None] | None = None
        self.on_look: Callable[[], None] | None = None
        self._provider: TracerProvider | None = None
        self._recorder: Recorder | None = None
        self._named = names_providers()
        """Whether the environment names a provider; as of the last `refresh`."""

    def look(self) -> None:
        """Notice what providers the application has set up since the last time, as it may at any moment."""
        if self.on_look is not None:
            self.on_look()
        if not (self._named or self._provider or self.metrics.provider or may_have_providers()):
            return  # each start of an agent comes by here
        if tracer_provider() is not self._provider or meter_provider() is not self.metrics.provider:
            self.refresh()
            if self.on_change is not None:
                self.on_change()

    def refresh(self) -> None:
        """Look again for the application's tracer and meter providers; called when the runtime starts."""
        self.metrics.refresh()
        self._named = names_providers()
        self._provider = provider = tracer_provider()
        self._recorder, self.active = None, False
        if provider is not None:
            from civitas.telemetry.recorder import Recorder

            followed(provider)
            self._recorder = Recorder(provider, self.metrics)
            self.active = self._recorder.enabled
        elif self.metrics.active:
            self._recorder = _figures_only(self.metrics)
        self.content = Content(self.redact) if self.active and captures() else None

    @property
    def watched(self) -> bool:
        """Whether anybody wants to know of operations: as spans, or as figures."""
        return self.active or self.metrics.active

    # Only while `active`.

    def start_send(
        self, recipient: str, message_type: str, message_id: str, conversation: str | None
    ) -> Span:
        """Start the producer span `send RECIPIENT`, child of the current span; the caller ends it."""
        return self._on().start_send(recipient, message_type, message_id, conversation)

    def inject(self, span: Span | None = None) -> dict[str, str]:
        """The headers that make the receiver's span a child of `span`, or of the current one."""
        return self._on().inject(span)

    def sending(self, message: Message) -> AbstractContextManager[Message]:
        """`start_send`, `inject`, `fail` and the end in one: the message with its span in its headers.

        An exception inside marks the span as failed.
        """
        return self._on().sending(message)

    def process(self, message: Message, agent: str) -> AbstractContextManager[Span]:
        """The consumer span `process AGENT` around a handler, child of the span that sent `message`.

        What it raises goes through unrecorded: the caller knows whether it is a failure, and calls `fail`.
        """
        return self._on().process(message, agent)

    def failed(self, message_id: str, span: Span) -> None:
        """A message was not finished in `span`; should it be delivered again, its next span is linked to that one."""
        if self._recorder is not None:
            self._recorder.failed(message_id, span)

    def fail(self, span: Span, error: BaseException) -> None:
        """Record `error` on `span` and mark it as failed."""
        if self._recorder is not None:
            self._recorder.fail(span, error)

    def event(
        self,
        where: Span | Mapping[str, str] | None,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        since: int | None = None,
    ) -> None:
        """Record that something happened: a crash, a restart, a dead letter.

        It becomes an event of the span `where`. If that has ended, it becomes a short span of its own beside what
        the ended one did, so that a restart shows in the trace of the message that made it necessary.

        Args:
            where: A span, running or ended; the headers of a message, to join its trace; None for the current span.
            name: One of the `EVENT_` names of `civitas.telemetry.names`.
            attributes: Attributes of the event.
            since: Unix nanoseconds when it began, for a span of its own; None for now.
        """
        if self._recorder is not None:
            self._recorder.event(where, name, attributes, since)

    # At any time.

    def llm_span(self, model: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A span `chat MODEL`, current inside; an exception marks it as failed.

        Args:
            model: Name of the model.
            **attributes: Attributes of the span, by their full names; those that are None are left out.
        """
        if self._recorder is None:
            return _no_span()
        return self._recorder.llm_span(model, attributes)

    def tool_span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A span `execute_tool NAME`, current inside; an exception marks it as failed."""
        if self._recorder is None:
            return _no_span()
        return self._recorder.tool_span(name, attributes)

    def agent_span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A span `invoke_agent NAME` around the run of a framework's agent."""
        if self._recorder is None:
            return _no_span()
        return self._recorder.agent_span(name, attributes)

    def workflow_span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """A span `invoke_workflow NAME` around the run of a graph or a crew."""
        if self._recorder is None:
            return _no_span()
        return self._recorder.workflow_span(name, attributes)

    def operation(
        self,
        name: str,
        attributes: dict[str, Any],
        parent: Context | None = None,
        *,
        silent: bool = False,
    ) -> Operation:
        """Start an operation as part of what `parent` holds; the caller ends it.

        Args:
            name: Of its span.
            attributes: Of its span.
            parent: None for the current context.
            silent: Make no span, only figures.
        """
        recorder = self._recorder
        if recorder is None:  # nobody is left who wants it
            recorder = _figures_only(self.metrics)
        return recorder.start(name, attributes, parent, silent=silent)

    def _on(self) -> Recorder:
        if self._recorder is None:
            raise RuntimeError("tracing is not active; look at Tracing.active first")
        return self._recorder


def _figures_only(metrics: Metrics) -> Recorder:
    from opentelemetry.trace import NoOpTracerProvider

    from civitas.telemetry.recorder import Recorder

    return Recorder(NoOpTracerProvider(), metrics)


def _no_span() -> AbstractContextManager[Span]:
    from civitas.telemetry.recorder import no_span

    return no_span()
