"""Makes the spans. Imported only once a tracer provider is there."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracer,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)

from civitas.telemetry import names
from civitas.telemetry.propagation import Propagation

if TYPE_CHECKING:
    from contextvars import Token

    from civitas.message import Message

__all__ = ["Recorder", "no_span"]


class Recorder:
    """Makes the spans of one runtime.

    Args:
        provider: Where they go.

    Attributes:
        enabled: False if the provider itself was switched off, as by ``OTEL_SDK_DISABLED``.
    """

    __slots__ = ("_propagation", "_tracer", "enabled")

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(names.SCOPE, _version())
        self._propagation = Propagation()
        self.enabled = not isinstance(self._tracer, NoOpTracer)

    def start_send(
        self, recipient: str, message_type: str, message_id: str, conversation: str | None
    ) -> Span:
        """Start the producer span of a message."""
        attributes = {
            names.MESSAGING_SYSTEM: names.SYSTEM,
            names.OPERATION_TYPE: "send",
            names.OPERATION_NAME: "send",
            names.DESTINATION: recipient,
            names.MESSAGE_ID: message_id,
            names.MESSAGE_TYPE: message_type,
        }
        if conversation is not None:
            attributes[names.CONVERSATION] = conversation
        return self._tracer.start_span(
            names.send(recipient), kind=SpanKind.PRODUCER, attributes=attributes
        )

    def inject(self, span: Span) -> dict[str, str]:
        """The headers that carry `span` to the receiver."""
        return self._propagation.inject(span)

    def process(self, message: Message, agent: str) -> ProcessSpan:
        """The consumer span of a message."""
        return ProcessSpan(self._tracer, self._propagation, message, agent)

    def sending(self, message: Message) -> SendSpan:
        """The producer span of a message, around its sending."""
        return SendSpan(self, message)

    def fail(self, span: Span, error: BaseException) -> None:
        """Record `error` on `span` and mark it as failed."""
        if span.is_recording():
            kind = type(error).__name__
            span.record_exception(error)
            span.set_attribute(names.ERROR_TYPE, kind)
            span.set_status(Status(StatusCode.ERROR, f"{kind}: {error}"))

    def event(
        self,
        where: Span | Mapping[str, str] | None,
        name: str,
        attributes: Mapping[str, Any] | None,
        since: int | None,
    ) -> None:
        """Record an event on a running span, or as a short span of its own."""
        context: Context | None = None
        if isinstance(where, Mapping):
            context = self._propagation.extract(where)
            span = get_current_span(context)
        else:
            span = where if where is not None else get_current_span()
            context = set_span_in_context(span)
        if span.is_recording():
            span.add_event(name, attributes)
            return
        now = time.time_ns()
        what = name.removeprefix("civitas.")
        attributes = attributes or {}
        agent = attributes.get(names.AGENT_NAME) or attributes.get(names.DESTINATION)
        short = self._tracer.start_span(
            f"{what} {agent}" if agent else what, context, start_time=since or now
        )
        short.add_event(name, attributes, timestamp=now)
        short.end(now)

    def llm_span(self, model: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one call of a model."""
        base = {names.GEN_AI_OPERATION: "chat", names.REQUEST_MODEL: model}
        return CallSpan(self, names.chat(model), SpanKind.CLIENT, base, attributes)

    def tool_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one call of a tool."""
        base = {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: name,
            names.TOOL_TYPE: "function",
        }
        return CallSpan(self, names.execute_tool(name), SpanKind.INTERNAL, base, attributes)

    def agent_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one run of a framework's agent."""
        base = {names.GEN_AI_OPERATION: "invoke_agent", names.AGENT_NAME: name}
        return CallSpan(self, names.invoke_agent(name), SpanKind.INTERNAL, base, attributes)

    def workflow_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one run of a graph or a crew."""
        base = {names.GEN_AI_OPERATION: "invoke_workflow", names.WORKFLOW_NAME: name}
        return CallSpan(self, names.invoke_workflow(name), SpanKind.INTERNAL, base, attributes)

    def start(self, name: str, kind: SpanKind, attributes: Mapping[str, Any]) -> Span:
        """Start a span as child of the current one."""
        return self._tracer.start_span(name, kind=kind, attributes=attributes)


# These context managers are classes: the SDK's start_as_current_span is a generator around a generator, and costs
# as much again as the span that it makes.


class SendSpan:
    """The producer span of a message; gives the message with that span in its headers."""

    __slots__ = ("_message", "_recorder", "_span")

    def __init__(self, recorder: Recorder, message: Message) -> None:
        self._recorder = recorder
        self._message = message

    def __enter__(self) -> Message:
        message = self._message
        self._span = self._recorder.start_send(
            message.recipient, message.type, message.id, message.conversation
        )
        headers = self._recorder.inject(self._span)
        return message.with_headers({**message.headers, **headers} if message.headers else headers)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            self._recorder.fail(self._span, error)
        self._span.end()


class ProcessSpan:
    """The consumer span of a message, current inside."""

    __slots__ = ("_agent", "_message", "_propagation", "_span", "_token", "_tracer")

    def __init__(
        self, tracer: Tracer, propagation: Propagation, message: Message, agent: str
    ) -> None:
        self._tracer = tracer
        self._propagation = propagation
        self._message = message
        self._agent = agent

    def __enter__(self) -> Span:
        message = self._message
        # A context of its own: what happened to be current in the agent's task is not the parent of a message.
        parent = self._propagation.extract(message.headers)
        attributes: dict[str, Any] = {
            names.MESSAGING_SYSTEM: names.SYSTEM,
            names.OPERATION_TYPE: "process",
            names.OPERATION_NAME: "process",
            names.DESTINATION: self._agent,
            names.AGENT_NAME: self._agent,
            names.MESSAGE_ID: message.id,
            names.MESSAGE_TYPE: message.type,
        }
        if message.conversation is not None:
            attributes[names.CONVERSATION] = message.conversation
        if message.attempt:
            attributes[names.MESSAGE_ATTEMPT] = message.attempt
        span = self._tracer.start_span(
            names.process(self._agent), parent, SpanKind.CONSUMER, attributes
        )
        self._span = span
        self._token: Token[Context] = attach(set_span_in_context(span, parent))
        return span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        detach(self._token)
        self._span.end()


class CallSpan:
    """A span around a call, current inside; an exception marks it as failed."""

    __slots__ = ("_attributes", "_kind", "_name", "_recorder", "_span", "_token")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        kind: SpanKind,
        base: dict[str, Any],
        attributes: Mapping[str, Any],
    ) -> None:
        self._recorder = recorder
        self._name = name
        self._kind = kind
        base.update((key, value) for key, value in attributes.items() if value is not None)
        self._attributes = base

    def __enter__(self) -> Span:
        self._span = self._recorder.start(self._name, self._kind, self._attributes)
        self._token: Token[Context] = attach(set_span_in_context(self._span))
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        detach(self._token)
        # A cancelled call did not fail: whoever asked is gone.
        if isinstance(error, Exception):
            self._recorder.fail(self._span, error)
        self._span.end()


def no_span() -> AbstractContextManager[Span]:
    """What stands in for a span while nobody records any."""
    return nullcontext(INVALID_SPAN)


def _version() -> str | None:
    try:
        return importlib.metadata.version("civitas-core")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return None
