"""Puts messages into mailboxes of the broker, many in flight at once, and each again until it is known to be stored."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from civitas.cluster.durable.parcels import pack
from civitas.errors import AskTimeout, DeliveryError, MailboxFull, NotStored, PayloadError
from civitas.message import Message, Serializer
from civitas.transport.mailboxes import Mailboxes, NoRoom, NotKept

__all__ = ["Lane", "Lanes", "Settled"]

_WINDOW = 256
"""How many of one line may be in flight."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
"""Seconds before what was refused for want of room, or had no answer, is put again."""
_REMEMBERED = 1000
"""Of so many messages that were stored out of order, or taken out again, it is remembered where."""
_TRACING = ("traceparent", "tracestate", "baggage")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a reader must know of a line before it hands over a message of it.

    Attributes:
        until: Up to which place it must have read.
        void: Places that something was taken out of again: what was read there is not to be handled.
    """

    until: int = 0
    void: Sequence[int] = ()


class _Parcel:
    """A message on its way into a mailbox."""

    __slots__ = (
        "after",
        "asker",
        "body",
        "copy",
        "flying",
        "message",
        "number",
        "place",
        "stored",
        "unsure",
    )

    def __init__(self, message: Message, asker: str | None, stored: asyncio.Future[None]) -> None:
        self.message = message
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

    def __init__(self, lanes: Lanes, address: str, key: str) -> None:
        self.address = address
        self.key = key
        self.full = False
        """Whether the mailbox had no room when something was put last."""
        self.why = ""
        """Why it is not known whether something is stored."""
        self._lanes = lanes
        self._queue: deque[_Parcel] = deque()
        self._sent: OrderedDict[int, _Parcel] = OrderedDict()
        """Those with a number, from the first on of which it is not known whether it is stored."""
        self._flying = 0
        self._window = _WINDOW
        self._pause = _FIRST_PAUSE
        self._retry: asyncio.TimerHandle | None = None
        self._retracting: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queue) + len(self._sent)

    def add(self, parcel: _Parcel) -> None:
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
                elif self._flying < self._window:
                    self._fly(parcel)
            if self._flying:
                return
            self.full, self.why = False, ""
        while self._queue and len(self._sent) < self._window:
            parcel = self._queue.popleft()
            if parcel.stored.done():
                continue
            parcel.number = self._lanes.next_number()
            parcel.after = next(reversed(self._sent), 0)
            try:
                parcel.body = self._lanes.pack(
                    parcel.message, parcel.number, parcel.after, parcel.asker
                )
            except PayloadError as error:
                parcel.stored.set_exception(error)
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

    def close(self) -> None:
        """Put nothing any more."""
        if self._retry is not None:
            self._retry.cancel()
        if self._retracting is not None:
            self._retracting.cancel()
        for parcel in (*self._sent.values(), *self._queue):
            if not parcel.stored.done():
                error = NotStored(
                    parcel.message.recipient, "this process ends", unsure=parcel.number > 0
                )
                parcel.stored.set_exception(error)
                parcel.stored.exception()
        self._sent.clear()
        self._queue.clear()

    def _fly(self, parcel: _Parcel) -> None:
        parcel.flying = True
        self._flying += 1
        self._lanes.fly(self, parcel).add_done_callback(partial(self._landed, parcel))

    def _landed(self, parcel: _Parcel, flight: asyncio.Future[int]) -> None:
        parcel.flying = False
        self._flying -= 1
        error = flight.exception()
        if error is None:
            parcel.place, parcel.unsure = flight.result(), ""
            self._pause = _FIRST_PAUSE
            self._window = min(2 * self._window, _WINDOW)
            self._finish()
        elif isinstance(error, NotKept):
            if not parcel.stored.done():
                parcel.stored.set_exception(NotStored(parcel.message.recipient, str(error)))
            self._drop(parcel)
        elif isinstance(error, NoRoom):
            self.full, self._window, parcel.unsure = True, 1, ""
        else:
            parcel.unsure = self.why = str(error)
        if not self._flying and any(not each.place for each in self._sent.values()):
            if self.full and any(each.place for each in self._sent.values()):
                self._retracting = self._lanes.loop.create_task(self._retract())
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

    async def _retract(self) -> None:
        """Take out what was stored behind something that had no room."""
        behind = [each for each in self._sent.values() if each.place]
        try:
            out = await self._lanes.retract(self, [each.place for each in behind])
        finally:
            self._retracting = None
        if out:
            for parcel in behind:
                self._lanes.is_void(self, parcel.number, parcel.place)
                parcel.place = 0
                parcel.copy += 1
        self._wait()

    def _finish(self) -> None:
        """Those that are stored, with all before them."""
        last = 0
        while self._sent and (parcel := next(iter(self._sent.values()))).place:
            if parcel.place < last:
                self._lanes.stored_late(self, parcel.number, last)
            last = max(last, parcel.place)
            del self._sent[parcel.number]
            if not parcel.stored.done():
                parcel.stored.set_result(None)
        self._lanes.is_settled(self)

    def _drop(self, parcel: _Parcel) -> None:
        del self._sent[parcel.number]
        self._finish()


class Lanes:
    """Everything that one node puts into mailboxes of the broker.

    Args:
        mailboxes: Those.
        boot: The run of the node.
        serializer: The format of messages.
    """

    def __init__(
        self, mailboxes: Mailboxes, boot: Callable[[], str], serializer: Serializer
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._mailboxes = mailboxes
        self._boot = boot
        self._serializer = serializer
        self._lines: dict[tuple[str, str], Lane] = {}
        self._numbers = count(1)
        self._late: OrderedDict[tuple[str, str, int], int] = OrderedDict()
        """Up to which place one must read before a message that was stored ahead of an earlier one."""
        self._void: OrderedDict[tuple[str, str, int], list[int]] = OrderedDict()
        """The places that a message was taken out of."""
        self._waiting: dict[Lane, list[tuple[int, asyncio.Future[None]]]] = {}
        mailboxes.on_up = self._up

    async def put(
        self,
        address: str,
        key: str,
        message: Message,
        timeout: float | None,
        size: int,
        asker: str | None,
    ) -> None:
        """Put a message into a mailbox, and wait until the broker has it.

        Args:
            address: Of the mailbox.
            key: The conversation, if each has its own bound.
            message: The message.
            timeout: Seconds to wait for room and for the broker; None waits for ever.
            size: Of the mailbox, for an error.
            asker: The agent that waits for the answer; None for nobody.

        Raises:
            MailboxFull: There was no room in time; the message is not stored.
            NotStored: The broker did not take it, or did not say so in time.
            AskTimeout: The same, where an answer is waited for.
        """
        line = self._lines.get((address, key))
        if line is None:
            line = self._lines[address, key] = Lane(self, address, key)
        parcel = _Parcel(message, asker, self.loop.create_future())
        line.add(parcel)
        try:
            async with asyncio.timeout(timeout):
                await parcel.stored
        except TimeoutError:
            raise self._too_late(line, parcel, timeout or 0.0, size) from None

    def _too_late(self, line: Lane, parcel: _Parcel, timeout: float, size: int) -> DeliveryError:
        message = parcel.message
        why = parcel.unsure or line.why
        if line.full and not why:
            return MailboxFull(message.recipient, size, timeout)
        why = why or "it did not answer"
        if message.reply_to is not None:
            return AskTimeout(
                message.recipient,
                message.type,
                timeout,
                f"the broker did not say that it has it: {why}",
            )
        return NotStored(
            message.recipient,
            f"the broker did not say so within {timeout:g} s: {why}",
            unsure=bool(parcel.number),
        )

    async def settled(self, address: str, key: str, number: int) -> Settled:
        """Wait until of each message up to a number it is known whether it is stored."""
        line = self._lines.get((address, key))
        if line is not None and not line.settled(number):
            done: asyncio.Future[None] = self.loop.create_future()
            self._waiting.setdefault(line, []).append((number, done))
            await done
        where = (address, key)
        until = [place for (*of, n), place in self._late.items() if (*of,) == where and n <= number]
        void = [
            place
            for (*of, n), places in self._void.items()
            if (*of,) == where and n <= number
            for place in places
        ]
        return Settled(max(until, default=0), void)

    def close(self) -> None:
        """Put nothing any more."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()
        for waiting in self._waiting.values():
            for _, done in waiting:
                done.cancel()
        self._waiting.clear()

    # For the lines.

    def next_number(self) -> int:
        """Of what is put next."""
        return next(self._numbers)

    def pack(self, message: Message, number: int, after: int, asker: str | None) -> bytes:
        """What is kept of a message.

        Raises:
            PayloadError: It is too large.
        """
        body = pack(message, self._serializer, self._boot(), number, after, asker)
        if len(body) > self._mailboxes.largest:
            raise PayloadError(
                "message",
                f"{len(body):,} bytes with its headers and names, more than the {self._mailboxes.largest:,} that the "
                "broker takes in one message; raise its limit, or store it elsewhere and send a reference to it",
            )
        return body

    def fly(self, line: Lane, parcel: _Parcel) -> asyncio.Future[int]:
        """Hand a message to the broker."""
        message = parcel.message
        headers: Mapping[str, str] = message.headers
        if headers:
            headers = {key: headers[key] for key in _TRACING if key in headers}
        # The server knows an id for ten minutes, whatever became of its message.
        id = f"{line.address}#{message.id}{f'#{parcel.copy}' if parcel.copy else ''}"
        return self._mailboxes.put(line.address, line.key, id, parcel.body, headers)

    def idle(self, line: Lane) -> None:
        """Nothing is on its way in a line."""
        if self._lines.get((line.address, line.key)) is line:
            del self._lines[line.address, line.key]

    async def retract(self, line: Lane, places: Sequence[int]) -> bool:
        """Take messages out of a mailbox again; False if it is not known whether they are out."""
        return await self._mailboxes.retract(line.address, places)

    def stored_late(self, line: Lane, number: int, place: int) -> None:
        """A message was stored ahead of an earlier one, which is at `place`."""
        self._late[line.address, line.key, number] = place
        if len(self._late) > _REMEMBERED:
            self._late.popitem(last=False)

    def is_void(self, line: Lane, number: int, place: int) -> None:
        """A message was taken out of a place."""
        self._void.setdefault((line.address, line.key, number), []).append(place)
        if len(self._void) > _REMEMBERED:
            self._void.popitem(last=False)

    def is_settled(self, line: Lane) -> None:
        """Of one more it is known whether it is stored."""
        waiting = self._waiting.get(line) if self._waiting else None
        if waiting is None:
            return
        for number, done in waiting[:]:
            if line.settled(number):
                waiting.remove((number, done))
                if not done.done():
                    done.set_result(None)
        if not waiting:
            del self._waiting[line]

    def _up(self) -> None:
        for line in list(self._lines.values()):
            line.again()
