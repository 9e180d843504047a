"""`Deadlines`: when those who wait for the broker are told that their time is up."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from civitas.cluster.durable.lane import Shipment

__all__ = ["Deadlines"]

_TICKS_PER_SECOND = 128
"""Those of one tick share a timer: one for each message was measured to be a sixth of the whole."""


class Deadlines:
    """The messages whose senders wait for so long and no longer.

    Args:
        is_over: Called with each whose time is up, at most one tick late.
    """

    def __init__(self, is_over: Callable[[Shipment], None]) -> None:
        self._is_over = is_over
        self._loop = asyncio.get_running_loop()
        self._ticks: dict[int, tuple[set[Shipment], asyncio.TimerHandle]] = {}

    def add(self, parcel: Shipment, seconds: float) -> set[Shipment]:
        """Wait so long for one; whoever has it takes it out of what this returns."""
        tick = math.ceil((self._loop.time() + seconds) * _TICKS_PER_SECOND)
        found = self._ticks.get(tick)
        if found is None:
            timer = self._loop.call_at(tick / _TICKS_PER_SECOND, self._tick, tick)
            found = self._ticks[tick] = set(), timer
        found[0].add(parcel)
        return found[0]

    def close(self) -> None:
        """Tell nobody any more."""
        for _, timer in self._ticks.values():
            timer.cancel()
        self._ticks.clear()

    def _tick(self, tick: int) -> None:
        due, _ = self._ticks.pop(tick)
        for parcel in tuple(due):
            self._is_over(parcel)
