"""`KeptTimers`: the messages that durable agents send later, in the state store until they are sent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from civitas.message import Message, dumps, loads
from civitas.runs.listing_store import with_listing
from civitas.runs.programs import Programs
from civitas.state import StateStore
from civitas.state.in_order import read_many
from civitas.state.patience import patiently

__all__ = ["KeptTimer", "KeptTimers", "TimerRoot"]

logger = logging.getLogger("civitas")

TIMERS = "civitas:runs:timer:"
"""What the keys begin with under which they are kept; the id of each follows."""
_AGAIN = 0.5
"""Seconds before the store is tried again that did not take something."""
_REMEMBERED = 10_000
"""How many of those that were sent are remembered."""


class TimerCall(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class TimerRoot(Protocol):
    """The root, as it is seen here."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""

    def call_later(self, delay: float, timer: KeptTimer) -> TimerCall:
        """Send the message of a timer in `delay` seconds, and then `forget` the timer."""


class KeptTimer:
    """A message that is sent later.

    Args:
        id: Its own.
        message: The message.
        due: When, in unix seconds.
        timers: Keep it.
    """

    def __init__(self, id: str, message: Message, due: float, timers: KeptTimers) -> None:
        self.id = id
        self.message = message
        self.due = due
        self.call: TimerCall | None = None
        self.writing: asyncio.Task[None] | None = None
        """The last that was to be written of it; None if the store has it from an earlier program."""
        self._timers = timers

    @property
    def key(self) -> str:
        """Of its record in the state store."""
        return TIMERS + self.id

    def cancel(self) -> None:
        """Do not send it."""
        self._timers.cancel(self.id)

    async def forget(self) -> None:
        """Drop its record: it was sent, or is about to be."""
        await self._timers.forget(self)

    async def written(self) -> None:
        """Wait until the store has all of it."""
        if self.writing is not None:
            await asyncio.shield(self.writing)


class KeptTimers:
    """The messages that durable agents send later, in the state store until they are sent.

    Args:
        root: The root node.
        store: The state store.
        programs: How this program signs.
    """

    def __init__(self, root: TimerRoot, store: StateStore, programs: Programs) -> None:
        self._root = root
        self._store: Any = with_listing(store)
        self._programs = programs
        self._timers: dict[str, KeptTimer] = {}
        self._sent: OrderedDict[str, None] = OrderedDict()
        """The ids of those that were sent last: a message that is handled again does not set them again."""
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Read what earlier programs left."""
        found = await read_many(self._store, await self._store.keys(TIMERS))
        for key, kept in found.items():
            if not self._programs.is_other(kept["owner"]):
                id = key.removeprefix(TIMERS)
                self._timers[id] = KeptTimer(id, loads(kept["message"]), kept["due"], self)

    def resume(self) -> None:
        """Every agent has its place: send each when it is due, in that order."""
        for timer in sorted(self._timers.values(), key=lambda each: each.due):
            timer.call = self._root.call_later(max(0.0, timer.due - time.time()), timer)

    def stop(self) -> None:
        """Send none any more."""
        for timer in self._timers.values():
            if timer.call is not None:
                timer.call.cancel()

    def keep(self, id: str, message: Message, delay: float) -> KeptTimer:
        """Keep a message that is to be sent in `delay` seconds, and send it then; see `TimerKeeper.keep`."""
        timer = self._timers.get(id)
        if timer is None:
            timer = KeptTimer(id, message, time.time() + delay, self)
            if id in self._sent:
                return timer
            self._timers[id] = timer
            timer.call = self._root.call_later(delay, timer)
            record = {
                "message": bytes(dumps(message)),
                "due": timer.due,
                "owner": self._programs.own,
            }
            self._write(timer, lambda: self._store.set(timer.key, record))
        return timer

    def cancel(self, id: str) -> KeptTimer | None:
        """Do not send a message; None if it was sent."""
        timer = self._timers.pop(id, None)
        if timer is not None:
            if timer.call is not None:
                timer.call.cancel()
            self._write(timer, lambda: self._store.delete(timer.key))
        return timer

    async def forget(self, timer: KeptTimer) -> None:
        """A message was sent, or is about to be."""
        await timer.written()
        self._timers.pop(timer.id, None)
        self._sent[timer.id] = None
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)
        await self._store.delete(timer.key)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=5.0)

    def _write(self, timer: KeptTimer, write: Callable[[], Awaitable[None]]) -> None:
        task = timer.writing = self._root.loop.create_task(
            self._persistently(timer, timer.writing, write)
        )
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _persistently(
        self,
        timer: KeptTimer,
        before: asyncio.Task[None] | None,
        write: Callable[[], Awaitable[None]],
    ) -> None:
        if before is not None:
            await before
        while True:
            try:
                await patiently(write, timer.message.sender or "")
                return
            except Exception:
                logger.exception(
                    "a timer of %r could not be kept; it is tried again", timer.message.sender
                )
            await asyncio.sleep(_AGAIN)
