"""`WorkList`: what a supervisor has to do, in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["WorkList"]

_Item = TypeVar("_Item")


class WorkList(Generic[_Item]):
    """A queue with one reader, that says whether this reader waits.

    asyncio's own does not, and takes as long for one item as a supervisor does for its decision.
    """

    __slots__ = ("_items", "_reader")

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._reader: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def idle(self) -> bool:
        """Whether its reader has done everything, and waits for more."""
        return self._reader is not None and not self._reader.done()

    def put(self, item: _Item) -> None:
        """Put an item, and wake the reader."""
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def take(self) -> _Item:
        """The oldest item; there must be one."""
        return self._items.popleft()

    async def get(self) -> _Item:
        """The oldest item; waits for one."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._items.popleft()
