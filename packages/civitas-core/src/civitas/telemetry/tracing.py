"""`Tracing`: the switch between a runtime and OpenTelemetry."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from civitas.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

    from civitas.message import Message
    from civitas.telemetry.recorder import Recorder

__all__ = ["Tracing"]


class Tracing:
    """The tracing of one runtime.

    Look at `active` before calling anything of the first group: while no tracer provider is installed it is False,
    OpenTelemetry is not even imported, and that look is the whole cost.

    Attributes:
        active: Whether spans go anywhere; as of the last `refresh`.
        metrics: Counters and histograms, with an `active` of their own.
    """

    __slots__ = ("_recorder", "active", "metrics")

    def __init__(self) -> None:
        self.active = False
        self.metrics = Metrics()
        self._recorder: Recorder | None = None

    def refresh(self) -> None:
        """Look again for the application's tracer and meter providers; called when the runtime starts."""
        provider = _installed_provider()
        if provider is None:
            self._recorder = None
            self.active = False
        else:
            from civitas.telemetry.recorder import Recorder

            self._recorder = Recorder(provider)
            self.active = self._recorder.enabled
        self.metrics.refresh()

    # Only while `active`.

    def start_send(
        self, recipient: str, message_type: str, message_id: str, conversation: str | None
    ) -> Span:
        """Start the producer span `send RECIPIENT`, child of the current span; the caller ends it."""
        return self._on().start_send(recipient, message_type, message_id, conversation)

    def inject(self, span: Span) -> dict[str, str]:
        """The headers that make the receiver's span a child of `span`."""
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

    def fail(self, span: Span, error: BaseException) -> None:
        """Record `error` on `span` and mark it as failed."""
        self._on().fail(span, error)

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
        self._on().event(where, name, attributes, since)

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

    def _on(self) -> Recorder:
        if self._recorder is None:
            raise RuntimeError("tracing is not active; look at Tracing.active first")
        return self._recorder


def _installed_provider() -> TracerProvider | None:
    # Nobody can have installed a provider without importing the API, unless the environment names one.
    if "opentelemetry.trace" not in sys.modules and "OTEL_PYTHON_TRACER_PROVIDER" not in os.environ:
        return None
    from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, get_tracer_provider

    provider = get_tracer_provider()
    if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)):
        return None
    return provider


def _no_span() -> AbstractContextManager[Span]:
    from civitas.telemetry.recorder import no_span

    return no_span()
