"""The asks that wait for an answer."""

from __future__ import annotations

import asyncio
import math

from civitas.errors import DeliveryError
from civitas.message import Message

__all__ = ["Answer", "PendingAsks"]

Answer = Message | DeliveryError | None
"""A reply, why there is none, or None when the time was up."""

# A timer per ask costs a fifth of the ask. Waits of a second and more share one for each sixteenth of a second,
# so such an ask may end that much late; shorter waits get a timer of their own.
_TICKS_PER_SECOND = 16
_SHARED_FROM = 1.0


class PendingAsks:
    """The asks of this node that wait, by the id of their message.

    Args:
        loop: The loop they wait on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._ticks: dict[int, tuple[set[asyncio.Future[Answer]], asyncio.TimerHandle]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, id: str) -> asyncio.Future[Answer]:
        """Begin to wait for the answer to message `id`; `remove` must follow."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[id] = future
        return future

    def remove(self, id: str) -> None:
        """Wait no more; an answer that comes later is a late reply."""
        self._waiting.pop(id, None)

    def answer(self, id: str, answer: Message | DeliveryError) -> bool:
        """Hand over an answer.

        Returns:
            Whether somebody still waited for it.
        """
        future = self._waiting.pop(id, None)
        if future is None or future.done():
            return False
        future.set_result(answer)
        return True

    async def wait(self, future: asyncio.Future[Answer], seconds: float | None) -> Answer:
        """Wait for what `add` returned, at most `seconds`."""
        if seconds is None:
            return await future
        if seconds < _SHARED_FROM:
            timer = self._loop.call_later(seconds, _time_is_up, (future,))
            try:
                return await future
            finally:
                timer.cancel()
        tick = math.ceil((self._loop.time() + seconds) * _TICKS_PER_SECOND)
        entry = self._ticks.get(tick)
        if entry is None:
            due: set[asyncio.Future[Answer]] = set()
            timer = self._loop.call_at(tick / _TICKS_PER_SECOND, self._tick, tick)
            self._ticks[tick] = (due, timer)
        else:
            due = entry[0]
        due.add(future)
        try:
            return await future
        finally:
            due.discard(future)

    def close(self) -> None:
        """Forget the timers."""
        for _, timer in self._ticks.values():
            timer.cancel()
        self._ticks.clear()

    def _tick(self, tick: int) -> None:
        due, _ = self._ticks.pop(tick)
        _time_is_up(due)


def _time_is_up(futures: set[asyncio.Future[Answer]] | tuple[asyncio.Future[Answer], ...]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
