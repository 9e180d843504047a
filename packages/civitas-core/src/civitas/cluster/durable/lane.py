"""One line of messages on their way into a mailbox of the broker."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from civitas.errors import NotStored, PayloadError
from civitas.message import Message
from civitas.transport.mailboxes import Landed, NoRoom, NotKept

__all__ = ["Lane", "Shipment"]

_WINDOW = 256
"""How many of one line may be in flight."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
"""Seconds before what was refused for want of room, or had no answer, is put again."""


class Shipment:
    """A message on its way into a mailbox."""

    __slots__ = (
        "after",
        "apart",
        "asker",
        "body",
        "copy",
        "due",
        "flying",
        "line",
        "message",
        "number",
        "place",
        "size",
        "stored",
        "timeout",
        "unsure",
    )

    def __init__(
        self,
        line: Lane,
        message: Message,
        asker: str | None,
        stored: asyncio.Future[None],
        apart: str,
        timeout: float | None,
        size: int,
    ) -> None:
        self.line = line
        self.message = message
        self.apart = apart
        """Where the whole message is kept, if it is too large; otherwise empty."""
        self.asker = asker
        self.stored = stored
        self.number = self.after = 0
        self.body = b""
        self.flying = False
        self.place = 0
        """Where it is stored; 0 as long as that is not known."""
        self.copy = 0
        """How often it was taken out again."""
        self.unsure = ""
        """Why it is not known whether it is stored; empty if it surely is not."""
        self.timeout = timeout
        self.size = size
        """Of the mailbox, for an error."""
        self.due: set[Shipment] | None = None
        """Those whose senders wait as long as that of this one; None for one that waits for ever."""

    def tell(self, error: Exception | None = None) -> None:
        """Tell its sender that it is stored, or why not, if that still waits."""
        due, self.due = self.due, None
        if due is not None:
            due.discard(self)
        if self.stored.done():
            return
        if error is None:
            self.stored.set_result(None)
        else:
            self.stored.set_exception(error)


class Sending(Protocol):
    """Everything that the node of a line puts into mailboxes."""

    loop: asyncio.AbstractEventLoop

    def next_number(self) -> int:
        """Of what is put next."""

    def pack(self, parcel: Shipment) -> bytes:
        """What is kept of a message; raises `PayloadError` if it is too large."""

    def fly(self, line: Lane, parcel: Shipment, landed: Landed) -> None:
        """Hand a message to the broker; `landed` is called later with what became of it."""

    async def retract(self, line: Lane, places: Sequence[int]) -> bool:
        """Take messages out of a mailbox again; False if it is not known whether they are out."""

    def is_void(self, line: Lane, number: int, place: int) -> None:
        """A message was taken out of a place."""

    def stored_late(self, line: Lane, number: int, place: int) -> None:
        """A message was stored ahead of an earlier one, which is at `place`."""

    def is_settled(self, line: Lane) -> None:
        """Of one more it is known whether it is stored, or that it is out again."""

    def idle(self, line: Lane) -> None:
        """Nothing is on its way in a line."""


class Lane:
    """The messages of one node for one mailbox, or for one conversation of a pool.

    They are stored in the order in which they were put. To wait for each before the next is sent would take a round
    trip for each; therefore many are in flight. Where the broker did not take one but has taken a later one, the reader
    sees from `after` that something is missing, and asks this node (`Lanes.settled`). If it was for want of room, those
    behind it, which nobody has handled, are taken out again: they would keep the room that it waits for.
    """

    __slots__ = (
        "_flying",
        "_lanes",
        "_pause",
        "_queue",
        "_retracting",
        "_retry",
        "_sent",
        "_window",
        "address",
        "full",
        "key",
        "why",
    )

    def __init__(self, lanes: Sending, address: str, key: str) -> None:
        self.address = address
        self.key = key
        self.full = False
        """Whether the mailbox had no room when something was put last."""
        self.why = ""
        """Why it is not known whether something is stored."""
        self._lanes = lanes
        self._queue: deque[Shipment] = deque()
        self._sent: OrderedDict[int, Shipment] = OrderedDict()
        """Those with a number, from the first on of which it is not known whether it is stored."""
        self._flying = 0
        self._window = _WINDOW
        self._pause = _FIRST_PAUSE
        self._retry: asyncio.TimerHandle | None = None
        self._retracting: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue) + len(self._sent)

    def add(self, parcel: Shipment) -> None:
        """One more wants to go."""
        self._queue.append(parcel)
        self.go()

    def go(self) -> None:
        """Send as many as may be in flight."""
        if self._retry is not None or self._retracting is not None:
            return
        if (self.full or self.why) and self._flying:
            return  # first it must be known what became of all of them
        if self.full or self.why:
            for parcel in [each for each in self._sent.values() if not each.place]:
                if parcel.stored.done():
                    self._drop(parcel)  # its sender has given up
            waiting = [each for each in self._sent.values() if not each.place]
            # Those that may be stored come first: they may have the room that the others wait for.
            for parcel in ([each for each in waiting if each.unsure] or waiting)[: self._window]:
                self._fly(parcel)
            if waiting:
                return
            self.full, self.why = False, ""
        while self._queue and len(self._sent) < self._window:
            parcel = self._queue.popleft()
            if parcel.stored.done():
                parcel.tell()  # that nobody waits
                continue
            parcel.number = self._lanes.next_number()
            parcel.after = next(reversed(self._sent), 0)
            try:
                parcel.body = self._lanes.pack(parcel)
            except PayloadError as error:
                parcel.tell(error)
                continue
            self._sent[parcel.number] = parcel
            self._fly(parcel)

    def again(self) -> None:
        """The broker can be reached again: what came back for want of it goes now."""
        if self._retry is not None and not self.full:
            self._retry.cancel()
            self._pause = _FIRST_PAUSE
            self._try_again()

    def settled(self, number: int) -> bool:
        """Whether of every message up to a number it is known whether it is stored."""
        return not self._sent or next(iter(self._sent)) > number

    def is_out(self, number: int) -> bool:
        """Whether a message was taken out again, and is surely not back: neither on its way nor perhaps stored."""
        parcel = self._sent.get(number)
        if parcel is None or parcel.copy == 0:
            return False
        return not (parcel.place or parcel.flying or parcel.unsure)

    def close(self) -> None:
        """Put nothing any more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._retracting is not None:
            self._retracting.cancel()
        for parcel in (*self._sent.values(), *self._queue):
            to = parcel.message.recipient
            parcel.tell(NotStored(to, "this process ends", unsure=parcel.number > 0))
            if not parcel.stored.cancelled():
                parcel.stored.exception()  # perhaps nobody waits any more
        self._sent.clear()
        self._queue.clear()

    def _fly(self, parcel: Shipment) -> None:
        parcel.flying = True
        self._flying += 1
        self._lanes.fly(self, parcel, partial(self._landed, parcel))

    def _landed(self, parcel: Shipment, what: int | Exception) -> None:
        parcel.flying = False
        self._flying -= 1
        if isinstance(what, int):
            parcel.place, parcel.unsure = what, ""
            self._pause = _FIRST_PAUSE
            self._window = min(2 * self._window, _WINDOW)
            self._finish()
        elif isinstance(what, NotKept):
            parcel.tell(NotStored(parcel.message.recipient, str(what)))
            self._drop(parcel)
        elif isinstance(what, NoRoom):
            self.full, self._window, parcel.unsure = True, 1, ""
            self._lanes.is_settled(self)  # a reader may have it from where it was taken out
        else:
            parcel.unsure = self.why = str(what)
        if not self._flying and any(not each.place for each in self._sent.values()):
            if self.full and (ahead := self._ahead()):
                self._retracting = self._lanes.loop.create_task(self._retract(ahead))
            elif self.full or self.why:
                self._wait()
        if not self and not self._flying:
            self._lanes.idle(self)
        elif self._retry is None:
            self.go()

    def _wait(self) -> None:
        self._retry = self._lanes.loop.call_later(self._pause, self._try_again)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _try_again(self) -> None:
        self._retry = None
        self.go()
        if not self and not self._flying:
            self._lanes.idle(self)

    def _ahead(self) -> list[Shipment]:
        """What is stored ahead of something that is surely not: a reader waits for that, and has handled none of it.

        What is behind one of which nobody knows may have been handled, as that one may be stored, too.
        """
        stored = list(self._sent.values())
        while stored and (stored[0].place or stored[0].unsure):
            del stored[0]
        return [each for each in stored if each.place]

    async def _retract(self, ahead: Sequence[Shipment]) -> None:
        """Take out what was stored ahead of something that had no room, however long it takes until that is sure."""
        try:
            while not await self._lanes.retract(self, [each.place for each in ahead]):
                await asyncio.sleep(_LONGEST_PAUSE)
        finally:
            self._retracting = None
        for parcel in ahead:
            self._lanes.is_void(self, parcel.number, parcel.place)
            parcel.place = 0
            parcel.copy += 1
        self._lanes.is_settled(
            self
        )  # a reader that has one of them must not wait for those before it
        self._wait()

    def _finish(self) -> None:
        """Those that are stored, with all before them."""
        last = 0
        while self._sent and (parcel := next(iter(self._sent.values()))).place:
            if parcel.place < last:
                self._lanes.stored_late(self, parcel.number, last)
            last = max(last, parcel.place)
            del self._sent[parcel.number]
            parcel.tell()
        self._lanes.is_settled(self)

    def _drop(self, parcel: Shipment) -> None:
        self._sent.pop(parcel.number, None)  # it is not there where this is closed
        self._finish()
