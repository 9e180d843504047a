"""Prints each trace as a waterfall in the terminal, without a collector: ``civitas run --trace``."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from civitas.errors import ConfigurationError
from civitas.telemetry.joining import follow, install_tracer_provider, tracer_provider, unfollow
from civitas.telemetry.waterfall_view import draw

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from rich.console import Console

__all__ = ["Waterfall", "show_waterfall"]

logger = logging.getLogger("civitas")

# Traces that are remembered: those that never end must not fill the memory.
_REMEMBERED = 1000


class _Trace:
    __slots__ = ("finished", "open", "printed", "timer")

    def __init__(self) -> None:
        self.open = 0
        self.finished: list[ReadableSpan] = []
        self.printed = False
        self.timer: threading.Timer | None = None


class Waterfall(SpanProcessor):
    """Collects the spans of each trace and prints it when it is complete: when every span that began has ended.

    Args:
        console: Where to print; standard output by default.
        grace: Seconds to wait after that for what still belongs to it, such as the restart that follows a crash. What
            comes later yet is printed by itself, as the trace's continuation.
    """

    shows_other_processes = True
    """Spans of other OS processes belong here, too, whoever exports them."""

    def __init__(self, console: Console | None = None, *, grace: float = 0.1) -> None:
        from rich.console import Console

        self._console = console if console is not None else Console()
        self._grace = grace
        self._traces: OrderedDict[int, _Trace] = OrderedDict()
        self._lock = threading.Lock()

    def on_start(self, span: ReadableSpan, parent_context: Context | None = None) -> None:
        """A span began."""
        context = span.get_span_context()
        assert context is not None
        with self._lock:
            known = self._traces.setdefault(context.trace_id, _Trace())
            known.open += 1
            if known.timer is not None:
                known.timer.cancel()
                known.timer = None
            if len(self._traces) > _REMEMBERED:
                _, oldest = self._traces.popitem(last=False)
                if oldest.timer is not None:
                    oldest.timer.cancel()

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        context = span.get_span_context()
        assert context is not None
        with self._lock:
            known = self._traces.get(context.trace_id)
            if known is None:  # it took so long that its trace was forgotten
                return
            known.open -= 1
            known.finished.append(span)
            if known.open == 0:
                known.timer = threading.Timer(self._grace, self._print, [known])
                known.timer.daemon = True
                known.timer.start()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Print what is complete, without waiting for stragglers."""
        self._print_all(unfinished=False)
        return True

    def shutdown(self) -> None:
        """Print what is there, complete or not, and hear of nothing more that is set up."""
        unfollow(self)
        self._print_all(unfinished=True)

    def _print_all(self, *, unfinished: bool) -> None:
        with self._lock:
            known = [each for each in self._traces.values() if unfinished or not each.open]
        for each in known:
            if each.timer is not None:
                each.timer.cancel()
            self._print(each)

    def _print(self, known: _Trace) -> None:
        with self._lock:
            spans, known.finished = known.finished, []
            continued, known.printed = known.printed, True
            known.timer = None
            if not spans:
                return
            try:  # under the lock: two traces must not be printed into each other
                for line in draw(spans, self._console, continued=continued):
                    self._console.print(line, no_wrap=True, overflow="crop", highlight=False)
            except (OSError, ValueError) as error:  # nobody reads the terminal any more
                logger.debug("a trace could not be printed: %s", error)


def show_waterfall(console: Console | None = None) -> Waterfall:
    """Print the traces of this OS process from now on; call it before the runtime starts.

    Joins the tracer provider that is installed, or installs one; and the application's, if that is set up later.

    Raises:
        ConfigurationError: The application's provider takes no span processors.
    """
    waterfall = Waterfall(console)
    provider = tracer_provider()
    if provider is None:
        provider = TracerProvider()
        install_tracer_provider(provider)
    if getattr(provider, "add_span_processor", None) is None:
        raise ConfigurationError(
            f"the tracer provider that is installed ({type(provider).__name__}) takes no span processor, "
            "so its traces cannot be shown here; look at them where it sends them"
        )
    follow(waterfall)
    return waterfall
