"""`ManualClock`: time that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

__all__ = ["ManualClock", "ManualTimer"]


class ManualTimer:
    """A call that is due later.

    Attributes:
        due: When, in the seconds of its clock.
    """

    __slots__ = ("_cancelled", "_clock", "_function", "due")

    def __init__(self, clock: ManualClock, due: float, function: Callable[[], object]) -> None:
        self.due = due
        self._clock = clock
        self._function = function
        self._cancelled = False

    def cancel(self) -> None:
        """Do not make the call; nothing happens if it was made already."""
        self._cancelled = True

    def _fire(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._function()


class ManualClock:
    """A steady clock for whatever takes one: `now` and `call_later` as in an event loop, moved by `advance`.

    Give it to a runtime (``Runtime(..., clock=clock)``) to walk through backoff and restart windows without waiting::

        await clock.timers()   # the supervisor waits for its backoff
        clock.advance(10)      # now it does not

    Args:
        start: What `now` says at first.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._ahead = 0.0
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds."""
        return self._now

    def time(self) -> float:
        """Unix seconds, for schedules: those of `now`, unless the clock was `set`."""
        return self._now + self._ahead

    def set(self, time: float) -> None:
        """Set what `time` says, as somebody does who sets the clock of a machine; `now` goes on as it was.

        Args:
            time: Unix seconds.
        """
        self._ahead = time - self._now

    def call_later(self, delay: float, function: Callable[[], object]) -> ManualTimer:
        """Call `function` when the clock has moved by `delay` seconds; a delay of 0 needs an `advance` too."""
        timer = ManualTimer(self, self._now + max(delay, 0.0), function)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        for number, future in self._waiting:
            if not future.done() and len(self.pending) >= number:
                future.set_result(None)
        return timer

    def advance(self, seconds: float) -> None:
        """Move on, and make the calls that become due, in order; each sees the time it was due at."""
        if seconds < 0:
            raise ValueError(f"a steady clock does not go back; got {seconds!r} seconds")
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            timer._fire()
        self._now = end

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved by `seconds`."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    @property
    def pending(self) -> list[float]:
        """Seconds until each call that is due, soonest first."""
        return [due - self._now for due, _, timer in sorted(self._timers) if not timer._cancelled]

    async def timers(self, number: int = 1, *, timeout: float = 5.0) -> list[float]:
        """Wait until `number` calls are due, that is, until somebody waits for this clock.

        Args:
            number: How many.
            timeout: Real seconds to wait for that.

        Returns:
            `pending`.

        Raises:
            AssertionError: Nobody came to wait.
        """
        if len(self.pending) < number:
            enough: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((number, enough))
            try:
                async with asyncio.timeout(timeout):
                    await enough
            except TimeoutError:
                raise AssertionError(
                    f"{len(self.pending)} timers wait for this clock after {timeout:g} s, not {number}"
                ) from None
            finally:
                self._waiting.remove((number, enough))
        return self.pending

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now:g} s, {len(self.pending)} timers>"
