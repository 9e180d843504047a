"""The traces that ended last, for whoever looks at them: nothing is recorded while nobody does."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError
from civitas.telemetry import names
from civitas.telemetry.joining import (
    follow,
    install_tracer_provider,
    tracer_provider,
    unfollow,
    withdraw_tracer_provider,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from civitas.telemetry.span_tree import SpanNode
    from civitas.telemetry.tracing import Tracing

__all__ = ["Kept", "RecentTraces"]

_TRACES = 60
_SPANS = 500
"""So many spans of one trace are kept; of the rest it is only known that there are more."""
_LOOKS_FOR = 10.0
"""Seconds for which spans are recorded after somebody has looked."""


class Kept:
    """The spans of the newest traces; filled from any thread."""

    def __init__(self) -> None:
        self._spans: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._more: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, span: ReadableSpan) -> None:
        """A span has ended."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        trace = context.trace_id
        with self._lock:
            spans = self._spans.setdefault(trace, [])
            if len(spans) < _SPANS:
                spans.append(span)
            else:
                self._more[trace] = self._more.get(trace, 0) + 1
            if len(self._spans) > _TRACES:
                oldest, _ = self._spans.popitem(last=False)
                self._more.pop(oldest, None)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._spans.clear()
            self._more.clear()

    def plain(self, opened: str | None) -> dict[str, Any]:
        """The traces in a few words, the newest first, and one of them with all of its spans.

        Args:
            opened: The id of that one.
        """
        with self._lock:
            known = [
                (trace, list(spans), self._more.get(trace, 0))
                for trace, spans in self._spans.items()
            ]
        return {
            "traces": [_summary(*each) for each in reversed(known)],
            "spans": [
                span
                for trace, spans, _ in known
                if f"{trace:032x}" == opened
                for span in _rows(spans)
            ],
        }


class RecentTraces:
    """Records the traces of a system for as long as somebody asks for them.

    Args:
        tracing: Of the root.
    """

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._kept = Kept()
        self._processor: Any = None
        self._provider: Any = None
        """The one that is installed where there is no other."""
        self._until: asyncio.TimerHandle | None = None

    async def look(self, opened: str | None) -> dict[str, Any]:
        """What was recorded since somebody began to look; see `Kept.plain`.

        Raises:
            ConfigurationError: The application's provider takes no span processors.
        """
        if self._until is None:
            await self._begin()
        if self._until is not None:  # also where two begin at once
            self._until.cancel()
        self._until = asyncio.get_running_loop().call_later(_LOOKS_FOR, self.close)
        return self._kept.plain(opened)

    async def _begin(self) -> None:
        with ThreadPoolExecutor(1, "civitas-traces") as thread:  # agents go on meanwhile
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(thread, import_module, "opentelemetry.sdk.trace")
        self._processor = self._processor or _processor(self._kept)
        if tracer_provider() is None:
            self._provider = self._provider or _provider()
            install_tracer_provider(self._provider)
        provider = tracer_provider()
        if getattr(provider, "add_span_processor", None) is None:
            raise ConfigurationError(
                f"the tracer provider that is installed ({type(provider).__name__}) takes no span processor, "
                "so its traces cannot be shown here; look at them where it sends them"
            )
        self._processor.shows_other_processes = True
        follow(self._processor)
        self._changed()

    def close(self) -> None:
        """Record nothing more."""
        if self._until is None:
            return
        self._until.cancel()
        self._until = None
        self._processor.shows_other_processes = False
        unfollow(self._processor)
        if self._provider is not None:
            withdraw_tracer_provider(self._provider)
        self._kept.clear()
        self._changed()

    def _changed(self) -> None:
        """Let everybody know what is wanted now."""
        self._tracing.look()
        if self._tracing.on_change is not None:
            self._tracing.on_change()


def _provider() -> Any:
    from opentelemetry.sdk.trace import TracerProvider

    from civitas.telemetry.setup import resource

    return TracerProvider(resource=resource("civitas"), shutdown_on_exit=False)


def _processor(kept: Kept) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class SpanKeeper(SpanProcessor):
        # A provider lets no processor go: this one stays there, and does nothing while nobody looks.
        shows_other_processes = False

        def on_end(self, span: ReadableSpan) -> None:
            if self.shows_other_processes:
                kept.add(span)

    return SpanKeeper()


def _summary(trace: int, spans: Sequence[ReadableSpan], more: int) -> dict[str, Any]:
    from civitas.telemetry.span_tree import nested

    roots = nested(spans)
    begin = roots[0].start
    conversation = next(
        (found for each in spans if (found := (each.attributes or {}).get(names.CONVERSATION))), ""
    )
    return {
        "id": f"{trace:032x}",
        "name": roots[0].span.name,
        "begin": begin / 1e9,
        "seconds": (max(span.end_time or 0 for span in spans) - begin) / 1e9,
        "spans": len(spans) + more,
        "failed": sum(not span.status.is_ok for span in spans),
        "conversation": str(conversation),
    }


def _rows(spans: Sequence[ReadableSpan]) -> Iterator[dict[str, Any]]:
    from civitas.telemetry.span_tree import failure_of, nested

    roots = nested(spans)
    begin = roots[0].start
    ahead = [(node, 0) for node in reversed(roots)]
    while ahead:
        node, depth = ahead.pop()
        yield _row(node, depth, begin, failure_of(node))
        ahead += [(child, depth + 1) for child in reversed(node.children)]


def _row(node: SpanNode, depth: int, begin: int, failure: str) -> dict[str, Any]:
    attributes = node.span.attributes or {}
    return {
        "name": node.span.name,
        "depth": depth,
        "start": (node.start - begin) / 1e9,
        "seconds": (node.end - node.start) / 1e9,
        "failed": node.failed,
        "failure": failure,
        "attempt": attributes.get(names.MESSAGE_ATTEMPT, 0),
        "tokens": [attributes.get(key, 0) for key in (names.INPUT_TOKENS, names.OUTPUT_TOKENS)],
        "events": [[event.name, (event.timestamp - begin) / 1e9] for event in node.span.events],
    }
