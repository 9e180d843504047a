"""Giving way: what there may be thousands of at once is done in as many turns of the event loop as that takes."""

from __future__ import annotations

import asyncio
import time
from collections import deque

__all__ = ["Turns"]

_LONG = 0.01
"""Seconds of one turn that such work may take; what is on its way then is finished."""
_AT_ONCE = 64
"""How many of those that wait go on in one turn."""


class Turns:
    """Knows how long the present turn of the event loop takes.

    A loop runs all that is ready before it looks at its timers and sockets again, so ten thousand agents that crash
    together, each in a tenth of a millisecond, would keep everybody else waiting for a second.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_began", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._began: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def long(self) -> bool:
        """Whether this turn has taken long enough."""
        now = time.perf_counter()
        if self._began is None:
            self._began = now
            self._loop.call_soon(self._over)
            return False
        return now - self._began > _LONG

    async def give_way(self) -> None:
        """Go on in a later turn, where this one has taken long enough; those that wait go on in their order."""
        if self.long:
            waiting = self._loop.create_future()
            self._waiting.append(waiting)
            await waiting

    def _over(self) -> None:
        """The next turn has come."""
        self._began = None
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
        if self._waiting:
            self._began = time.perf_counter()
            self._loop.call_soon(self._over)
