"""`KeptTimers`: the messages that durable agents send later, in the state store until they are sent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, Protocol

from civitas.message import Message, dumps, loads, new_id
from civitas.process import Timer
from civitas.runs.listing import listed
from civitas.runs.programs import Programs
from civitas.state import StateStore
from civitas.state.in_order import read_many
from civitas.state.patience import patiently

__all__ = ["KeptTimer", "KeptTimers", "TimerRoot"]

logger = logging.getLogger("civitas")

TIMERS = "civitas:runs:timer:"
"""What the keys begin with under which they are kept; the id of each follows."""
_AGAIN = 0.5


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
        set_for: The id of the message whose handler set it; its own outside of a handler.
    """

    def __init__(
        self, id: str, message: Message, due: float, timers: KeptTimers, set_for: str
    ) -> None:
        self.id = id
        self.set_for = set_for
        self.message = message
        self.due = due
        self.call: TimerCall | None = None
        self._timers = timers

    @property
    def key(self) -> str:
        """Of its record in the state store."""
        return TIMERS + self.id

    def cancel(self) -> None:
        """Do not send it."""
        if self.call is not None:
            self.call.cancel()
        self._timers.cancel(self)

    async def forget(self) -> None:
        """Drop its record."""
        await self._timers.forget(self)


class KeptTimers:
    """The messages that durable agents send later, in the state store until they are sent.

    The end of a run is written behind the timers that its handler set: so they are there, or the message comes again. A
    timer is named for the message and its number in the handler, so that this does not set it twice.

    Args:
        root: The root node.
        store: The state store.
        programs: How this program signs.
    """

    def __init__(self, root: TimerRoot, store: StateStore, programs: Programs) -> None:
        self._root = root
        self._store: Any = listed(store)
        self._programs = programs
        self._timers: dict[str, KeptTimer] = {}
        self._writing: dict[str, asyncio.Task[None]] = {}
        """The last write of each message whose handler set some, by its id."""
        self._numbers: dict[str, tuple[int, int]] = {}
        """The attempt at each message in hand, and how many timers that set."""

    async def load(self) -> None:
        """Read what earlier programs left."""
        found = await read_many(self._store, await self._store.keys(TIMERS))
        for key, kept in found.items():
            if not self._programs.is_other(kept["owner"]):
                id = key.removeprefix(TIMERS)
                self._timers[id] = KeptTimer(id, loads(kept["message"]), kept["due"], self, id)

    def resume(self) -> None:
        """Every agent has its place: send each when it is due, in that order."""
        for timer in sorted(self._timers.values(), key=lambda each: each.due):
            timer.call = self._root.call_later(max(0.0, timer.due - time.time()), timer)

    def stop(self) -> None:
        """Send none any more."""
        for timer in self._timers.values():
            if timer.call is not None:
                timer.call.cancel()

    def keep(self, message: Message, delay: float, handled: Message | None) -> Timer:
        """Keep a message that is to be sent in `delay` seconds, and send it then.

        Args:
            message: The message.
            delay: Seconds.
            handled: The message whose handler sends it; None outside of a handler.
        """
        shown = Timer(set())
        id = new_id() if handled is None else self._id(handled)
        set_for = id if handled is None else handled.id
        timer = self._timers.get(id)
        if timer is None:
            timer = self._timers[id] = KeptTimer(id, message, time.time() + delay, self, set_for)
            timer.call = self._root.call_later(delay, timer)
            record = {
                "message": bytes(dumps(message)),
                "due": timer.due,
                "owner": self._programs.own,
            }
            self._write(set_for, self._store.set, timer.key, record)
        shown.arm(timer)
        return shown

    def _id(self, handled: Message) -> str:
        attempt, number = self._numbers.get(handled.id, (handled.attempt, 0))
        number = number + 1 if attempt == handled.attempt else 1
        self._numbers[handled.id] = handled.attempt, number
        return f"{handled.id}-{number}"

    def cancel(self, timer: KeptTimer) -> None:
        """Do not send a message."""
        if self._timers.pop(timer.id, None) is not None:
            self._write(timer.set_for, self._store.delete, timer.key)

    async def forget(self, timer: KeptTimer) -> None:
        """A message was sent, or is about to be."""
        if (writing := self._writing.get(timer.set_for)) is not None:
            await asyncio.shield(writing)
        self._timers.pop(timer.id, None)
        await self._store.delete(timer.key)

    async def written(self, message_id: str) -> None:
        """Wait until the timers that the handler of a message set are in the store."""
        self._numbers.pop(message_id, None)
        if (writing := self._writing.get(message_id)) is not None:
            await asyncio.shield(writing)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing:
            await asyncio.wait([*self._writing.values()], timeout=5.0)

    def _write(self, owner: str, call: Any, *arguments: Any) -> None:
        before = self._writing.get(owner)

        async def write() -> None:
            if before is not None:
                await before
            while True:
                try:
                    await patiently(lambda: call(*arguments), owner)
                    break
                except Exception:
                    logger.exception(
                        "a timer of a durable agent could not be kept; it is tried again"
                    )
                await asyncio.sleep(_AGAIN)

        work: Coroutine[Any, Any, None] = write()
        task = self._writing[owner] = self._root.loop.create_task(work)

        def over(_: object) -> None:
            if self._writing.get(owner) is task:
                del self._writing[owner]

        task.add_done_callback(over)
