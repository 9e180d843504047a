"""Puts messages into mailboxes of the broker, many in flight at once, and each again until it is known to be stored."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from civitas.cluster.durable.lane import Lane, Shipment
from civitas.cluster.durable.parcels import pack
from civitas.errors import AskTimeout, DeliveryError, MailboxFull, NotStored, PayloadError
from civitas.message import Message, Serializer, dumps
from civitas.node.ticks import Ticks
from civitas.transport.mailboxes import Landed, Mailboxes, NotKept

__all__ = ["Lanes", "Settled"]

_REMEMBERED = 1000
"""Of so many messages that were stored out of order, or taken out again, it is remembered where."""
_TRACING = ("traceparent", "tracestate", "baggage")


@dataclass(frozen=True, slots=True)
class Settled:
    """What a reader must know of a line before it hands over a message of it.

    Attributes:
        until: Up to which place it must have read.
        void: Places that something was taken out of again: what was read there is not to be handled.
        is_all: Whether its node put nothing more into the mailbox once this reader had begun.
    """

    until: int = 0
    void: Sequence[int] = ()
    is_all: bool = False


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
        self._deadlines: Ticks[Shipment] = Ticks(self.loop, self._expire)
        mailboxes.on_up = self._up

    def put(
        self,
        address: str,
        key: str,
        message: Message,
        timeout: float | None,
        size: int,
        asker: str | None,
    ) -> Awaitable[None]:
        """Put a message into a mailbox.

        Args:
            address: Of the mailbox.
            key: The conversation, if each has its own bound.
            message: The message.
            timeout: Seconds to wait for room and for the broker; None waits for ever.
            size: Of the mailbox, for an error.
            asker: The agent that waits for the answer; None for nobody.

        Returns:
            What to wait for until the broker has it. A coroutine around it was measured to be a twentieth of the whole.

        Raises:
            MailboxFull: There was no room in time; the message is not stored.
            NotStored: The broker did not take it, or did not say so in time.
            AskTimeout: The same, where an answer is waited for.
        """
        if len(message.raw) > self._mailboxes.largest // 2:
            return self._put_apart(address, key, message, timeout, size, asker)
        return self._put(address, key, message, timeout, size, asker, "")

    def _put(
        self,
        address: str,
        key: str,
        message: Message,
        timeout: float | None,
        size: int,
        asker: str | None,
        apart: str,
    ) -> asyncio.Future[None]:
        line = self._lines.get((address, key))
        if line is None:
            line = self._lines[address, key] = Lane(self, address, key)
        stored: asyncio.Future[None] = self.loop.create_future()
        parcel = Shipment(line, message, asker, stored, apart, timeout, size)
        if timeout is not None:
            parcel.due = self._deadlines.add(parcel, timeout)
        line.add(parcel)
        return stored

    async def _put_apart(
        self,
        address: str,
        key: str,
        message: Message,
        timeout: float | None,
        size: int,
        asker: str | None,
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                apart = await self._keep_apart(message)
        except TimeoutError:
            raise NotStored(message.recipient, "it could not be kept in time") from None
        await self._put(address, key, message, timeout, size, asker, apart)

    def _expire(self, parcel: Shipment) -> None:
        if not parcel.stored.done():
            parcel.tell(self._too_late(parcel))

    async def _keep_apart(self, message: Message) -> str:
        raw = dumps(message, self._serializer)
        try:
            return await self._mailboxes.keep_apart(bytes(raw))
        except NotKept as error:
            raise NotStored(message.recipient, str(error)) from error

    def _too_late(self, parcel: Shipment) -> DeliveryError:
        line, message, timeout = parcel.line, parcel.message, parcel.timeout or 0.0
        why = parcel.unsure or line.why
        if line.full and not why:
            return MailboxFull(message.recipient, parcel.size, timeout)
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
        """Wait until of each message up to a number it is known whether it is stored, or until that one is out again.

        What is out again may stay so until there is room, and who asks has what keeps the room.
        """
        line = self._lines.get((address, key))
        if line is not None and not _is_known(line, number):
            done: asyncio.Future[None] = self.loop.create_future()
            self._waiting.setdefault(line, []).append((number, done))
            await done
        where = (address, key)
        until = [place for (*of, n), place in self._late.items() if (*of,) == where and n <= number]
        void = [
            place for (*of, _), places in self._void.items() if (*of,) == where for place in places
        ]
        return Settled(max(until, default=0), void)

    def close(self) -> None:
        """Put nothing any more."""
        self._deadlines.close()
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

    def pack(self, parcel: Shipment) -> bytes:
        """What is kept of a message.

        Raises:
            PayloadError: It is too large, for its headers and names.
        """
        body = pack(
            parcel.message,
            self._serializer,
            self._boot(),
            parcel.number,
            parcel.after,
            parcel.asker,
            parcel.apart,
        )
        if len(body) > self._mailboxes.largest:
            raise PayloadError(
                "message",
                f"{len(body):,} bytes of headers and names, more than the {self._mailboxes.largest:,} that the broker "
                "takes in one message; make them shorter",
            )
        return body

    def fly(self, line: Lane, parcel: Shipment, landed: Landed) -> None:
        """Hand a message to the broker."""
        message = parcel.message
        headers: Mapping[str, str] = message.headers
        if headers:
            headers = {key: headers[key] for key in _TRACING if key in headers}
        # The server knows an id for ten minutes, whatever became of its message.
        id = f"{line.address}#{message.id}{f'#{parcel.copy}' if parcel.copy else ''}"
        self._mailboxes.put(line.address, line.key, id, parcel.body, headers, landed)

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
        """Of one more it is known whether it is stored, or that it is out again."""
        waiting = self._waiting.get(line) if self._waiting else None
        if waiting is None:
            return
        for number, done in waiting[:]:
            if _is_known(line, number):
                waiting.remove((number, done))
                if not done.done():
                    done.set_result(None)
        if not waiting:
            del self._waiting[line]

    def _up(self) -> None:
        for line in list(self._lines.values()):
            line.again()


def _is_known(line: Lane, number: int) -> bool:
    return line.settled(number) or line.is_out(number)
