"""Makes the spans. Imported only once a tracer provider is there."""

from __future__ import annotations

import importlib.metadata
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    TracerProvider,
    get_current_span,
    set_span_in_context,
)

from civitas.telemetry import names
from civitas.telemetry.operations import CONVERSATION, Operation, fail
from civitas.telemetry.propagation import CURRENT_SPAN, Propagation
from civitas.telemetry.providers import UNKNOWN, provider_in

if TYPE_CHECKING:
    from contextvars import Token

    from civitas.message import Message
    from civitas.telemetry.metrics import Metrics

__all__ = ["Recorder", "no_span"]

_ATTEMPTS = 1000
"""Of so many messages that failed it is remembered in which span they did, should they come again."""


class Recorder:
    """Makes the spans of one runtime.

    Args:
        provider: Where they go.
        metrics: Measure what has spans.

    Attributes:
        enabled: False if the provider itself was switched off, as by ``OTEL_SDK_DISABLED``.
        tracer: Makes them.
    """

    __slots__ = ("_failed", "_metrics", "_propagation", "enabled", "tracer")

    def __init__(self, provider: TracerProvider, metrics: Metrics) -> None:
        self.tracer = provider.get_tracer(names.SCOPE, _version())
        self.enabled = not isinstance(self.tracer, NoOpTracer)
        self._metrics = metrics
        self._propagation = Propagation()
        self._failed: OrderedDict[str, SpanContext] = OrderedDict()

    def start_send(
        self,
        recipient: str,
        message_type: str,
        message_id: str,
        conversation: str | None,
        parent: Context | None = None,
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
        return self.tracer.start_span(names.send(recipient), parent, SpanKind.PRODUCER, attributes)

    def inject(self, span: Span | None, within: Context | None = None) -> dict[str, str]:
        """The headers that carry `span`, or the current one, and the baggage around it to the receiver."""
        return self._propagation.inject(get_current_span() if span is None else span, within)

    def extract(self, headers: Mapping[str, str]) -> Context:
        """The context that headers carry."""
        return self._propagation.extract(headers)

    def process(self, message: Message, agent: str) -> ProcessSpan:
        """The consumer span of a message."""
        return ProcessSpan(self, message, agent)

    def start_process(
        self, message: Message, agent: str, parent: Context, attributes: dict[str, Any]
    ) -> Span:
        """Start the consumer span of a message, linked to that of the attempt before."""
        before = self._failed.pop(message.id, None) if message.attempt else None
        links = [Link(before)] if before is not None else ()
        return self.tracer.start_span(
            names.process(agent), parent, SpanKind.CONSUMER, attributes, links
        )

    def failed(self, message_id: str, span: Span) -> None:
        """A message was not finished in `span`: it may come again."""
        self._failed[message_id] = span.get_span_context()
        if len(self._failed) > _ATTEMPTS:
            self._failed.popitem(last=False)

    def sending(self, message: Message) -> SendSpan:
        """The producer span of a message, around its sending."""
        return SendSpan(self, message)

    def fail(self, span: Span, error: BaseException) -> None:
        """Record `error` on `span` and mark it as failed."""
        if span.is_recording():
            span.record_exception(error)
            fail(span, error, f"{type(error).__name__}: {error}")

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
        short = self.tracer.start_span(
            f"{what} {agent}" if agent else what, context, start_time=since or now
        )
        short.add_event(name, attributes, timestamp=now)
        short.end(now)

    def llm_span(self, model: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one call of a model."""
        provider = provider_in(model) or UNKNOWN
        base = {
            names.GEN_AI_OPERATION: "chat",
            names.REQUEST_MODEL: model,
            names.PROVIDER: provider,
        }
        return CallSpan(self, names.chat(model), base, attributes)

    def tool_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one call of a tool."""
        base = {
            names.GEN_AI_OPERATION: "execute_tool",
            names.TOOL_NAME: name,
            names.TOOL_TYPE: "function",
        }
        return CallSpan(self, names.execute_tool(name), base, attributes)

    def agent_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one run of a framework's agent."""
        base = {names.GEN_AI_OPERATION: "invoke_agent", names.AGENT_NAME: name}
        return CallSpan(self, names.invoke_agent(name), base, attributes)

    def workflow_span(self, name: str, attributes: Mapping[str, Any]) -> CallSpan:
        """A span around one run of a graph or a crew."""
        base = {
            names.GEN_AI_OPERATION: "invoke_workflow",
            names.AGENT_NAME: name,
            names.WORKFLOW_NAME: name,
        }
        return CallSpan(self, names.invoke_workflow(name), base, attributes)

    def start(
        self,
        name: str,
        attributes: dict[str, Any],
        parent: Context | None = None,
        *,
        silent: bool = False,
    ) -> Operation:
        """Start an operation, as part of the current one or of what `parent` holds; `silent` for no span."""
        tracer = NoOpTracer() if silent else self.tracer
        return Operation(tracer, self._metrics, name, attributes, parent)


# These context managers are classes: the SDK's start_as_current_span is a generator around a generator, and costs
# as much again as the span that it makes.


class SendSpan:
    """The producer span of a message; gives the message with that span in its headers."""

    __slots__ = ("_message", "_recorder", "_span")

    def __init__(self, recorder: Recorder, message: Message) -> None:
        self._recorder = recorder
        self._message = message

    def __enter__(self) -> Message:
        message, recorder = self._message, self._recorder
        given = message.headers
        # Who sends a message with a trace context of its own means that one.
        parent = recorder.extract(given) if given and "traceparent" in given else get_current()
        self._span = recorder.start_send(
            message.recipient, message.type, message.id, message.conversation, parent
        )
        headers = recorder.inject(self._span, parent)
        return message._with_headers({**given, **headers} if given else headers)

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

    __slots__ = ("_agent", "_message", "_recorder", "_span", "_token")

    def __init__(self, recorder: Recorder, message: Message, agent: str) -> None:
        self._recorder = recorder
        self._message = message
        self._agent = agent

    def __enter__(self) -> Span:
        message = self._message
        # A context of its own: what happened to be current in the agent's task is not the parent of a message.
        parent = self._recorder.extract(message.headers)
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
        self._span = span = self._recorder.start_process(message, self._agent, parent, attributes)
        inside: dict[str, object] = {**parent, CURRENT_SPAN: span}
        if message.conversation is not None:
            inside[CONVERSATION] = message.conversation
        self._token: Token[Context] = attach(Context(inside))
        return span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        detach(self._token)
        if error is not None:  # cancelled: who handles it next goes on with that
            self._recorder.failed(self._message.id, self._span)
        self._span.end()


class CallSpan:
    """A span around a call, current inside; an exception marks it as failed."""

    __slots__ = ("_attributes", "_name", "_operation", "_recorder", "_token")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        base: dict[str, Any],
        attributes: Mapping[str, Any],
    ) -> None:
        self._recorder = recorder
        self._name = name
        base.update((key, value) for key, value in attributes.items() if value is not None)
        self._attributes = base

    def __enter__(self) -> Span:
        self._operation = operation = self._recorder.start(self._name, self._attributes)
        self._token: Token[Context] | None = None
        if operation.context is not None:
            self._token = attach(operation.context)
        return operation.span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            detach(self._token)
        # A cancelled call did not fail: whoever asked is gone.
        failed = isinstance(error, Exception)
        if failed:
            assert error is not None
            self._recorder.fail(self._operation.span, error)
        self._operation.end(error_type=type(error).__name__ if failed else None)


def no_span() -> AbstractContextManager[Span]:
    """What stands in for a span while nobody records any."""
    return nullcontext(INVALID_SPAN)


def _version() -> str | None:
    try:
        return importlib.metadata.version("civitas-core")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return None
