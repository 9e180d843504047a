"""A bounded queue of messages with one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from civitas.errors import DeliveryError, MailboxFull
from civitas.message import Message

__all__ = ["Holder", "Mailbox", "Wake"]

Wake = Callable[[asyncio.Future[None]], None]
"""How to let the task run that waits for a future."""


class Holder(Protocol):
    """Another process that holds messages of this one until they are finished, should this one die before that."""

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Hand `message` over; what is returned is done when the other process has it."""

    def release(self, message: Message) -> None:
        """The message was not taken after all."""


def _soon(reader: asyncio.Future[None]) -> None:
    """In a later turn of the event loop."""
    reader.set_result(None)


class Mailbox:
    """The messages that wait for one agent; it belongs to the agent's name, not to an incarnation.

    Whoever puts into a full mailbox waits in line, so that the order of each sender is kept: a message that finds
    the mailbox full is handed over by the reader itself, in the order the senders came.

    Args:
        owner: Name of the agent, for errors.
        size: How many messages it holds before senders wait.
    """

    __slots__ = (
        "_closed",
        "_drained",
        "_queue",
        "_reader",
        "_senders",
        "holder",
        "on_idle",
        "owner",
        "size",
    )

    def __init__(self, owner: str, size: int) -> None:
        self.owner = owner
        self.size = size
        self._queue: deque[Message] = deque()
        # Few mailboxes are ever full, and an empty deque is a sixth of an idle agent.
        self._senders: deque[tuple[asyncio.Future[None], Message]] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._closed: Callable[[], DeliveryError] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.holder: Holder | None = None
        """Who must have a message that nobody waits for before it counts as taken; None where this process will do."""
        self.on_idle: Callable[[], None] | None = None
        """Called each time its reader has come to the end and waits, and when the last message left without one."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting(self) -> int:
        """How many senders wait for room."""
        return len(self._senders) if self._senders else 0

    def offer(self, message: Message, wake: Wake = _soon, *, held: bool = False) -> bool:
        """Put without waiting.

        Args:
            message: What to put.
            wake: How to wake the reader, should it wait.
            held: Whether it was handed to the `holder`.

        Returns:
            Whether it was taken. Not where there is no room, and not where a `holder` must have it first.

        Raises:
            DeliveryError: The mailbox is closed; what `close` was given.
        """
        if self._closed is not None:
            raise self._closed()
        if self.holder is not None and not held and message.reply_to is None:
            return False
        if self._senders or len(self._queue) >= self.size:
            return False
        self._queue.append(message)
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                wake(reader)
        return True

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait while there is no room; and until the `holder` has it, where there is one.

        Args:
            message: What to put.
            timeout: Seconds to wait for room; None waits for ever.

        Raises:
            MailboxFull: There was no room in time; the message was not taken.
            DeliveryError: The mailbox was closed meanwhile.
        """
        holder = self.holder if message.reply_to is None else None
        if holder is None:
            if not self.offer(message):
                await self._wait_for_room(message, timeout)
            return
        has_it = holder.hold(message)
        try:
            if not self.offer(message, held=True):
                await self._wait_for_room(message, timeout)
        except BaseException:
            holder.release(message)
            raise
        await has_it

    async def _wait_for_room(self, message: Message, timeout: float | None) -> None:
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._senders is None:
            self._senders = deque()
        place = (room, message)
        self._senders.append(place)
        try:
            async with asyncio.timeout(timeout):
                await room
        except TimeoutError:
            if room.done() and not room.cancelled():
                room.result()  # it was let in, or the mailbox closed, in the very moment the time was up
                return
            self._leave(place)
            raise MailboxFull(self.owner, self.size, timeout or 0.0) from None
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: tuple[asyncio.Future[None], Message]) -> None:
        """Who gives up leaves the line: a reader that hangs would never clear it, and memory would fill."""
        if self._senders is not None and place in self._senders:
            self._senders.remove(place)
        self._left()

    def take(self) -> Message | None:
        """The oldest message, or None; lets the next waiting sender in."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        if self._senders:
            self._admit()
        return message

    def push(self, message: Message) -> None:
        """Put whatever the size: a signal of the system, which must not wait. Dropped where closed."""
        if self._closed is None:
            self._queue.append(message)
            self.wake()

    def put_back(self, message: Message) -> None:
        """Put in front: a message that is to be delivered again."""
        self._queue.appendleft(message)

    def clear(self) -> list[Message]:
        """Take everything that stands in it; the senders that wait for room come in now."""
        taken = list(self._queue)
        self._queue.clear()
        self._admit()
        return taken

    def readable(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        """What `wake` ends; the one reader waits for it and then looks for what came."""
        reader = self._reader = loop.create_future()
        if self._drained is not None:
            self._tell_drained()
        if self.on_idle is not None:
            self.on_idle()
        return reader

    def wake(self) -> None:
        """Let the reader look again: a message came, or a signal that has no place in the queue."""
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(None)

    def close(self, error: Callable[[], DeliveryError]) -> list[Message]:
        """Refuse what comes from now on with what `error` makes, and the senders that wait.

        Returns:
            What stood in it.
        """
        self._closed = error
        self._tell_drained()
        while self._senders:
            room, _ = self._senders.popleft()
            if not room.done():
                room.set_exception(error())
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def withdraw(self, message: Message) -> bool:
        """Take `message` out again.

        Returns:
            Whether it still stood in the queue.
        """
        try:
            self._queue.remove(message)
        except ValueError:
            return False
        self._admit()
        self._left()
        return True

    def _left(self) -> None:
        if self.on_idle is not None and not self._queue and not self._senders:
            self.on_idle()

    def hold(self) -> None:
        """Let every sender wait, until `let_in`."""
        self.size = 0

    def let_in(self, size: int) -> None:
        """Take up to `size` messages, those of the senders that wait first."""
        self.size = size
        self._admit()

    @property
    def idle(self) -> bool:
        """Whether its reader waits for a message."""
        return self._reader is not None and not self._reader.done() and not self._queue

    async def drained(self) -> None:
        """Wait until the reader has come to the end and waits, or the mailbox is closed."""
        if self.idle or self._closed is not None:
            return
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._drained)

    @property
    def closed(self) -> bool:
        """Whether it takes no messages."""
        return self._closed is not None

    def reopen(self) -> None:
        """Take messages again."""
        self._closed = None

    def _tell_drained(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set_result(None)

    def _admit(self) -> None:
        senders = self._senders
        while senders and len(self._queue) < self.size:
            room, message = senders.popleft()
            if not room.done():
                self._queue.append(message)
                room.set_result(None)
        self.wake()
