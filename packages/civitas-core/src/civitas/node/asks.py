"""The asks that wait for an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from civitas.errors import DeliveryError
from civitas.message import Message
from civitas.node.ticks import PER_SECOND, Ticks

__all__ = ["Answer", "Asking", "PendingAsks", "unless_answered"]

Answer = Message | DeliveryError | None
"""A reply, why there is none, or None when the time was up."""

_SHARED_FROM = 1.0
"""Seconds; shorter waits get a timer of their own, and are not late."""

Asking = dict[str, str]
"""Whom a handler waits for, by the id of its message to each."""

_Due = set[str]
"""The ids of the asks whose time is up at the same moment."""


class PendingAsks:
    """The asks of this node that wait, by the id of their message.

    Args:
        loop: The loop they wait on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[
            str,
            tuple[asyncio.Future[Answer], _Due | asyncio.TimerHandle | None, Asking | None, str],
        ] = {}
        self._ticks: Ticks[str] = Ticks(loop, self._time_is_up)
        self.kept: dict[str, Callable[[Message | DeliveryError], None]] = {}
        """What takes the answer to a message before whoever waits for it, by the id of the message."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def ids(self) -> list[str]:
        """Of the messages whose answers somebody waits for."""
        return list(self._waiting)

    @property
    def asked(self) -> dict[str, str]:
        """Whom the messages are for whose answers somebody waits for, by id."""
        return {id: to for id, (*_, to) in self._waiting.items()}

    def __contains__(self, id: object) -> bool:
        return id in self._waiting or id in self.kept

    def add(
        self, id: str, seconds: float | None, asking: Asking | None, to: str
    ) -> asyncio.Future[Answer]:
        """Begin to wait for the answer to message `id`, at most `seconds`.

        Args:
            id: Of the message.
            seconds: How long to wait; None waits for ever.
            asking: Where the asker stands as waiting. It is taken out as soon as the answer is there, and not when
                the asker runs again: until then others may ask it, and nobody waits for itself.
            to: Whom the message is for.

        Returns:
            What to await. A caller that ends it early calls `remove`.
        """
        future: asyncio.Future[Answer] = self._loop.create_future()
        due: _Due | asyncio.TimerHandle | None
        if seconds is None:
            due = None
        elif seconds < _SHARED_FROM:
            variables = self._ticks.variables.copy()
            due = self._loop.call_later(seconds, self._time_is_up, id, context=variables)
        else:
            # As `Ticks.add` does, written out: each ask comes by here.
            tick = math.ceil((self._loop.time() + seconds) * PER_SECOND)
            ticks = self._ticks
            entry = ticks.due.get(tick)
            if entry is None:
                variables = ticks.variables.copy()
                timer = self._loop.call_at(tick / PER_SECOND, ticks.tell, tick, context=variables)
                entry = ticks.due[tick] = set(), timer
            due = entry[0]
            due.add(id)
        self._waiting[id] = (future, due, asking, to)
        return future

    def remove(self, id: str) -> asyncio.Future[Answer] | None:
        """Stop waiting; an answer that comes later is a late reply.

        Returns:
            The future that somebody waited for, or None if nobody did.
        """
        entry = self._waiting.pop(id, None)
        if entry is None:
            return None
        future, due, asking, _ = entry
        if asking is not None:
            asking.pop(id, None)
        if isinstance(due, set):
            due.discard(id)
        elif due is not None:
            due.cancel()
        return future

    def answer(self, id: str, answer: Message | DeliveryError) -> bool:
        """Hand over an answer.

        Returns:
            Whether somebody still waited for it.
        """
        if self.kept and (keep := self.kept.pop(id, None)) is not None:
            keep(answer)
            return True
        # As `remove` does, written out: each answer comes by here.
        entry = self._waiting.pop(id, None)
        if entry is None:
            return False
        future, due, asking, _ = entry
        if asking is not None:
            asking.pop(id, None)
        if isinstance(due, set):
            due.discard(id)
        elif due is not None:
            due.cancel()
        if future.done():
            return False
        future.set_result(answer)
        return True

    def refuse_outside(self, error: Callable[[str], DeliveryError]) -> None:
        """Answer those that no agent's handler waits for with what `error` makes of the name of the agent."""
        for id, (future, _, asking, to) in list(self._waiting.items()):
            if asking is None:
                self.remove(id)
                if not future.done():
                    future.set_result(error(to))

    def when_over(self, id: str, callback: Callable[[], None]) -> bool:
        """Call `callback` when nobody waits any more for the answer to message `id`; False if nobody does now."""
        entry = self._waiting.get(id)
        if entry is not None:
            entry[0].add_done_callback(lambda _: callback())
        return entry is not None

    def close(self) -> None:
        """Forget the timers."""
        self._ticks.close()

    def _time_is_up(self, id: str) -> None:
        future = self.remove(id)
        if future is not None and not future.done():
            future.set_result(None)


async def unless_answered(future: asyncio.Future[Answer], put: Awaitable[None]) -> None:
    """Wait for room for an ask, unless there is an answer before: that it would wait for itself.

    Args:
        future: Gets the answer.
        put: Waits for room, and raises when the time is up.
    """
    waits = True

    def leave(_: object) -> None:
        if waits and not future.cancelled() and future.result() is not None:
            line.reschedule(asyncio.get_running_loop().time())

    future.add_done_callback(leave)
    try:
        async with asyncio.timeout(None) as line:
            try:
                await put
            finally:
                waits = False
    except TimeoutError:
        if not line.expired():
            raise
    finally:
        future.remove_done_callback(leave)
