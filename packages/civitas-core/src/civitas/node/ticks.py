"""`Ticks`: timers that many share whose time is up at almost the same moment."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

__all__ = ["AT_ONCE", "PER_SECOND", "Ticks"]

PER_SECOND = 128
"""A timer for each ask costs a fifth of the ask; all of one tick share one, and are told that much late."""
AT_ONCE = 256
"""So many are told in one turn of the loop that their time is up: each has more to do then than is done here."""

_Each = TypeVar("_Each")


class Ticks(Generic[_Each]):
    """Those whose time is up at some moment, together with all others of the same tick.

    Args:
        loop: The event loop.
        is_over: Called with each whose time is up, at most one tick late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, is_over: Callable[[_Each], object]) -> None:
        self._loop = loop
        self._is_over = is_over
        self.variables = copy_context()
        """Those of a timer: with those of an agent whose ask begins a tick, the loop would keep it until then."""
        self.due: dict[int, tuple[set[_Each], asyncio.TimerHandle]] = {}
        """Those of each tick, and its timer; whoever waits no longer is taken out of its set."""

    def add(self, each: _Each, seconds: float) -> set[_Each]:
        """Wait so long for one; returns the set to take it out of."""
        tick = math.ceil((self._loop.time() + seconds) * PER_SECOND)
        entry = self.due.get(tick)
        if entry is None:
            variables = self.variables.copy()
            timer = self._loop.call_at(tick / PER_SECOND, self.tell, tick, context=variables)
            entry = self.due[tick] = set(), timer
        entry[0].add(each)
        return entry[0]

    def close(self) -> None:
        """Tell nobody any more."""
        for _, timer in self.due.values():
            timer.cancel()
        self.due.clear()

    def tell(self, tick: int) -> None:
        """The time of those of a tick is up."""
        self._tell(self.due.pop(tick)[0])

    def _tell(self, due: set[_Each]) -> None:
        for _ in range(min(AT_ONCE, len(due))):
            self._is_over(due.pop())
        if due:
            self._loop.call_soon(self._tell, due)
