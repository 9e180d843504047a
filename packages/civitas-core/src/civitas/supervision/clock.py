"""Time, as a supervisor sees it: handed in, so that a test can hold it still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

__all__ = ["Clock", "ClockTimer", "LoopClock"]


class ClockTimer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class Clock(Protocol):
    """A steady clock. One that has a method `time`, too, gives the unix seconds for schedules."""

    def now(self) -> float:
        """Seconds since any fixed moment."""

    def call_later(self, delay: float, function: Callable[[], None]) -> ClockTimer:
        """Call `function` in `delay` seconds."""


class LoopClock:
    """The clock of the running event loop."""

    def __init__(self) -> None:
        # The loop keeps a cancelled call for a while, with the variables that it would have had: not those of an agent,
        # which would keep a conversation that sleeps.
        self._variables = copy_context()

    def time(self) -> float:
        """Unix seconds, for schedules."""
        return time.time()

    def now(self) -> float:
        """Seconds since any fixed moment."""
        return asyncio.get_running_loop().time()

    def call_later(self, delay: float, function: Callable[[], None]) -> ClockTimer:
        """Call `function` in `delay` seconds."""
        return asyncio.get_running_loop().call_later(
            delay, function, context=self._variables.copy()
        )
