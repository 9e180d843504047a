"""`SpanTree`: the spans of one framework run."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import Span, get_current_span, set_span_in_context, use_span

from civitas.telemetry import Tracing, names
from civitas.telemetry.operations import fail

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from civitas.telemetry.content import Content
    from civitas.telemetry.operations import Operation

__all__ = ["SpanTree"]


@dataclass(slots=True)
class _Open:
    """Something of a run that has begun."""

    operation: Operation
    token: Token[Context] | None
    agent: str
    """The nearest agent above it, or itself."""


class SpanTree:
    """Turns a framework's own start and end events into spans below the run's span, and into figures.

    A framework names its runs by ids of its own; they are the keys here. What is said to models and tools is recorded
    only through `content`.

    Args:
        root: The span of the run.
        tracing: Of the node; None for one of its own, of the providers that there are now.
        agent: Name of the agent whose run it is; empty if that is not known.
        conversation: Of the run; None for none.
        pool: Name of the pool that the agent is a conversation of; None for none.
        told: The operations of the framework that somebody else makes spans for, such as ``chat``: an instrumentation
            of the framework; ``*`` for all.
        silent: Whether to make no spans, only figures.
    """

    def __init__(
        self,
        root: Span,
        tracing: Tracing | None = None,
        *,
        agent: str = "",
        conversation: str | None = None,
        pool: str | None = None,
        told: Collection[str] = (),
        silent: bool = False,
    ) -> None:
        self.root = root
        if tracing is None:
            tracing = Tracing()
            tracing.refresh()
        self._tracing = tracing
        self._agent = agent
        of_all = {names.CONVERSATION: conversation, names.POOL: pool}
        self._of_all = {word: value for word, value in of_all.items() if value is not None}
        self._told = told
        self._silent = silent
        self._open: dict[Hashable, _Open] = {}
        self._skipped: dict[Hashable, Hashable] = {}
        self._streaming: set[Hashable] = set()

    @property
    def content(self) -> Content | None:
        """Makes attributes of what is said to models and tools; None unless the environment asks for them."""
        return self._tracing.content

    def start(
        self,
        key: Hashable,
        parent: Hashable,
        name: str,
        attributes: Mapping[str, Any] | None = None,
        *,
        current: bool = True,
        only_here: bool = False,
    ) -> None:
        """Start a span.

        Args:
            key: The framework's id of what begins.
            parent: The id of what it is part of; an id that is not open means the run itself.
            name: Name of the span.
            attributes: Its attributes; those that are None are left out.
            current: Make it the current span here, so that spans made by the user's own code become its children.
            only_here: It is something that an instrumentation which sees most of its kind is known to leave out.
        """
        kept = {word: value for word, value in (attributes or {}).items() if value is not None}
        what = kept.get(names.GEN_AI_OPERATION)
        if self._is_told(what, only_here=only_here):
            self.skip(key, parent)
            return
        above = self._open.get(self._skipped.get(parent, parent))
        agent = above.agent if above is not None else self._agent
        if what == "invoke_agent":
            agent = kept.get(names.AGENT_NAME, agent)
        elif what == "execute_tool" and agent:
            kept.setdefault(names.AGENT_NAME, agent)
        if what is not None:
            kept = {**self._of_all, **kept}
        # Below a span that somebody else made it is a child of that, which is the current one.
        context = None
        if not self._told:
            span = above.operation.span if above is not None else self.root
            context = set_span_in_context(span)
        operation = self._tracing.operation(name, kept, context, silent=self._silent)
        inside = operation.context if current else operation.aside()
        token = otel_context.attach(inside) if inside is not None else None
        self._open[key] = _Open(operation, token, agent)

    @contextmanager
    def within(self, key: Hashable) -> Iterator[None]:
        """Make the span of `key` the current one inside, where it could not be made so when it was started."""
        known = self._open.get(key)
        if known is None:
            yield
        else:
            span = known.operation.span
            with use_span(span, record_exception=False, set_status_on_exception=False):
                yield

    def skip(self, key: Hashable, parent: Hashable) -> None:
        """Make no span for `key`: what it contains becomes part of `parent`."""
        self._skipped[key] = self._skipped.get(parent, parent)

    def streams(self, key: Hashable) -> None:
        """Say of the open call of a model that its answer comes piece by piece."""
        known = self._open.get(key)
        if known is not None and key not in self._streaming:
            self._streaming.add(key)
            known.operation.span.set_attribute(names.REQUEST_STREAM, True)

    def rename(self, key: Hashable, name: str) -> None:
        """Give an open span the name that was not known when it began."""
        if key in self._open:
            self._open[key].operation.span.update_name(name)

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
        known = self._open.pop(key, None)
        self._streaming.discard(key)
        if known is None:
            self._skipped.pop(key, None)
            return
        failed = None
        if error is not None:
            text = error if isinstance(error, str) else _class_name(error)
            failed = fail(known.operation.span, error, text)
        if known.token is not None:
            # Some frameworks report the end from another task than the start; there is nothing to undo there.
            with suppress(ValueError):
                known.token.var.reset(known.token)
        known.operation.end(attributes, failed)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Say more of the tool whose call the running code belongs to; whoever made its span."""
        span = get_current_span()
        known = getattr(span, "attributes", None) or {}
        if span.is_recording() and known.get(names.GEN_AI_OPERATION) == "execute_tool":
            span.set_attributes(attributes)

    def _is_told(self, what: str | None, *, only_here: bool) -> bool:
        """Whether somebody else makes a span for this."""
        return "*" in self._told or (what is not None and what in self._told and not only_here)

    def close(self, *, cancelled: bool = True) -> None:
        """End whatever is still open: a run that was cancelled reports no ends, nor does one that waits for a human.

        Args:
            cancelled: Mark it as cancelled.
        """
        for key in reversed(list(self._open)):
            self.end(key, error=CancelledError() if cancelled else None)


def _class_name(error: BaseException | type[BaseException]) -> str:
    return (error if isinstance(error, type) else type(error)).__name__
