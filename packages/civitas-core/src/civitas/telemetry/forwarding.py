"""Brings the spans of other OS processes to the root, where somebody there looks at them.

An application that records its own spans, or shows them with ``--trace``, has one provider, in the process of the root.
A worker that has none hands its finished spans over as plain data, and the root puts them where its own go. A worker
that exports by itself, since its environment or a module of its agents says so, hands them over only to be shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.telemetry.joining import (
    follow,
    install_tracer_provider,
    is_own,
    tracer_provider,
    withdraw_tracer_provider,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Forwarder", "take", "wanted"]


def wanted() -> str:
    """Which spans of other processes are wanted here: `shown` for all, `recorded` for those not exported, or ''."""
    processors = _processors()
    if any(_shows(each) for each in processors):
        return "shown"
    return "recorded" if processors and not is_own(tracer_provider()) else ""


class Forwarder:
    """Hands over the spans of this process that end, those of one turn of the loop together.

    There is one in the life of an OS process, whichever root it works for.
    """

    def __init__(self) -> None:
        self.wanted = ""
        """Which spans are wanted; see `wanted`."""
        self._hand_over: Callable[[list[dict[str, Any]], bool], None] | None = None
        self._loop: Any = None
        self._provider: Any = None
        """The one that there is for want of another."""
        self._waiting: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        self._follows = False

    def begin(self, hand_over: Callable[[list[dict[str, Any]], bool], None], loop: Any) -> None:
        """From now on spans are handed over by `hand_over`, with whether this process exports them itself."""
        self._hand_over, self._loop = hand_over, loop

    def look(self) -> None:
        """See to it that what is wanted is recorded: to be called when agents' modules have been imported."""
        if not self.wanted:
            if self._provider is not None:
                withdraw_tracer_provider(self._provider)
            return
        provider = tracer_provider()
        if provider is None:
            self._install()
        elif self.wanted == "shown" and provider is not self._provider and not self._follows:
            self._follows = True
            follow(_relay(self, exported=True))

    def add(self, span: ReadableSpan, exported: bool) -> None:
        """A span has ended; called in any thread."""
        context, loop = span.get_span_context(), self._loop
        if not self.wanted or (exported and self.wanted != "shown"):
            return
        if context is not None and context.trace_flags.sampled and not loop.is_closed():
            loop.call_soon_threadsafe(self._add, _plain(span), exported)

    def _install(self) -> None:
        if self._provider is None:
            from opentelemetry.sdk.trace import TracerProvider

            from civitas.telemetry.setup import resource

            self._provider = TracerProvider(resource=resource("civitas"))
            self._provider.add_span_processor(_relay(self, exported=False))
        install_tracer_provider(self._provider)

    def _add(self, span: dict[str, Any], exported: bool) -> None:
        waiting = self._waiting[exported]
        if not waiting:
            self._loop.call_soon(self._out, exported)
        waiting.append(span)

    def _out(self, exported: bool) -> None:
        spans = self._waiting[exported][:]
        self._waiting[exported].clear()
        if self._hand_over is not None:
            self._hand_over(spans, exported)


def _relay(forwarder: Forwarder, *, exported: bool) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class SpanRelay(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            forwarder.add(span, exported)

    return SpanRelay()


def take(spans: list[dict[str, Any]], exported: bool) -> None:
    """Send spans of another process where those of this one go.

    Args:
        spans: As `begin` handed them over.
        exported: Whether that process exports them itself; then they are only shown.
    """
    for processor in _processors():
        shows = _shows(processor)
        if exported and not shows:
            continue
        for plain in spans:
            span = _span(plain)
            if shows:  # it counts what is open
                processor.on_start(span)
            processor.on_end(span)


def _processors() -> tuple[Any, ...]:
    # Only where somebody brought the SDK: a look must not import it.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or "opentelemetry.sdk.trace" not in sys.modules:
        return ()
    all_of_them = getattr(trace.get_tracer_provider(), "_active_span_processor", None)
    return tuple(getattr(all_of_them, "_span_processors", ()))


def _shows(processor: Any) -> bool:
    return bool(getattr(processor, "shows_other_processes", False))


def _plain(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None  # it has ended
    scope = span.instrumentation_scope
    return {
        "name": span.name,
        "trace": f"{context.trace_id:x}",
        "span": f"{context.span_id:x}",
        "parent": f"{span.parent.span_id:x}" if span.parent else None,
        "kind": span.kind.value,
        "start": span.start_time,
        "end": span.end_time,
        "attributes": dict(span.attributes or {}),
        "events": [
            [each.name, each.timestamp, dict(each.attributes or {})] for each in span.events
        ],
        "status": [span.status.status_code.value, span.status.description],
        "resource": dict(span.resource.attributes),
        "scope": [scope.name, scope.version] if scope is not None else None,
        "links": [
            [f"{each.context.trace_id:x}", f"{each.context.span_id:x}", dict(each.attributes or {})]
            for each in span.links
        ],
    }


def _span(plain: dict[str, Any]) -> ReadableSpan:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span: str, remote: bool, trace: str = plain["trace"]) -> SpanContext:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(int(trace, 16), int(span, 16), remote, sampled)

    code, description = plain["status"]
    return ReadableSpan(
        plain["name"],
        context=context(plain["span"], False),
        parent=context(plain["parent"], True) if plain["parent"] else None,
        resource=Resource(plain["resource"]),
        attributes=plain["attributes"],
        events=[Event(name, attributes, at) for name, at, attributes in plain["events"]],
        links=[
            Link(context(span, True, trace), attributes)
            for trace, span, attributes in plain.get("links", ())
        ],
        kind=SpanKind(plain["kind"]),
        instrumentation_scope=InstrumentationScope(*plain["scope"]) if plain["scope"] else None,
        status=Status(StatusCode(code), description),
        start_time=plain["start"],
        end_time=plain["end"],
    )
