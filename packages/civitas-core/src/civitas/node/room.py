"""`Room`: how far a producer of chunks may be ahead of their reader."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Room"]


class Room:
    """Places that are taken by those who produce, and given back by the one who reads.

    An `asyncio.Semaphore` does the same, and took as long as all else that becomes of a chunk.

    Args:
        places: How many there are.
    """

    __slots__ = ("_waiting", "left")

    def __init__(self, places: int) -> None:
        self.left = places
        """How many there are that nobody has; while there are any, nobody waits for one."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take_now(self) -> bool:
        """Take a place, if there is one."""
        if not self.left:
            return False
        self.left -= 1
        return True

    async def take(self) -> None:
        """Take a place; those who wait for one get theirs in the order in which they came."""
        if self.take_now():
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if not waiting.cancelled():
                self.give()  # it got one in the very moment in which it left
            raise

    def give(self, places: int = 1) -> None:
        """Give back so many."""
        self.left += places
        while self.left and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self.left -= 1
                waiting.set_result(None)
