"""What is said of the start of an agent: what came of it, and that it takes long."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context

__all__ = ["SlowStarts", "has_started"]

logger = logging.getLogger("civitas")

_LONG = 5.0
"""Seconds after which a start is said to take long."""


class SlowStarts:
    """Says once of each agent that has not started after 5 s that it is being waited for.

    All share one timer: one for each took longer than the start of an agent that does nothing there.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._variables = copy_context()
        self._starting: dict[asyncio.Future[None], tuple[str, float]] = {}
        """The names of those that start, and by when; the first to begin is the first."""
        self._timer: asyncio.TimerHandle | None = None

    def begins(self, started: asyncio.Future[None], name: str) -> None:
        """An agent begins to start; `started` is done when that is over."""
        by = self._loop.time() + _LONG
        self._starting[started] = name, by
        if self._timer is None:
            self._look_at(by)

    def over(self, started: asyncio.Future[None]) -> None:
        """It is over; the timer goes on, as others will use it."""
        self._starting.pop(started, None)

    def end(self) -> None:
        """Say nothing any more."""
        self._starting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._look, context=self._variables.copy())

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for started, (name, by) in list(self._starting.items()):
            if by > now:
                self._look_at(by)
                return
            del self._starting[started]
            if not started.done():
                logger.warning(
                    "the start is waiting for agent %r: its on_start has not returned after %g s",
                    name,
                    _LONG,
                )


def has_started(started: asyncio.Future[None], error: Exception | None = None) -> None:
    """Tell whoever waits for a start what came of it; it may have stopped waiting, and the start be undone for that."""
    if started.done():
        return
    if error is None:
        started.set_result(None)
    else:
        started.set_exception(error)
