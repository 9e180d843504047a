"""`WorkList`: what a supervisor has to do, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeVar

__all__ = ["WorkList"]

_Item = TypeVar("_Item")


class WorkList(deque[_Item]):
    """A queue with one reader, that says whether this reader waits.

    asyncio's own does not, and takes as long for one item as a supervisor does for its decision.
    """

    idle: asyncio.Future[None] | None = None
    """What its reader waits for that has done everything; None while it is at work, or is about to be."""

    def put(self, item: _Item) -> None:
        """Put an item, and wake the reader."""
        self.append(item)
        if self.idle is not None:
            idle, self.idle = self.idle, None
            if not idle.done():
                idle.set_result(None)

    async def filled(self) -> None:
        """Wait for an item."""
        while not self:
            self.idle = idle = asyncio.get_running_loop().create_future()
            try:
                await idle
            finally:
                self.idle = None
