"""`Outages`: when this node could reach nobody, as its broker was away, so that nobody is blamed for that."""

from __future__ import annotations

import asyncio

__all__ = ["Outages"]


class Outages:
    """Measures time in which others can be reached."""

    def __init__(self) -> None:
        self._count = 0
        self._reachable = asyncio.Event()
        self._reachable.set()

    def cut_off(self, cut_off: bool) -> None:
        """This node lost its own way to all others, or has it back."""
        if cut_off:
            self._count += 1
            self._reachable.clear()
        else:
            self._reachable.set()

    async def patience(self, seconds: float) -> None:
        """Return after so many seconds without an outage; after one, all of them begin again."""
        count = -1
        while count != self._count:
            await self._reachable.wait()
            count = self._count
            await asyncio.sleep(seconds)
