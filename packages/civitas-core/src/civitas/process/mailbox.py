"""A bounded queue of messages with one reader."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from civitas.errors import DeliveryError, MailboxFull
from civitas.message import Message

__all__ = ["Holder", "Mailbox", "Wake"]

Wake = Callable[[asyncio.Future[None]], None]
"""How to let the task run that waits for a future."""

_FEW = 64
"""So many that were withdrawn may stand in a queue in any case."""


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
        "_gone",
        "_live",
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
        self._live: set[str] | None = None
        """The ids of those in the queue that were not withdrawn, while somebody withdraws; None: nobody does."""
        self._gone = 0
        """How many in the queue were withdrawn, and are left out when their turn comes."""
        # Few mailboxes are ever full, and what they need for that would be a sixth of an idle agent.
        self._senders: OrderedDict[asyncio.Future[None], Message] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._closed: Callable[[], DeliveryError] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.holder: Holder | None = None
        """Who must have a message that nobody waits for before it counts as taken; None where this process will do."""
        self.on_idle: Callable[[], None] | None = None
        """Called each time its reader has come to the end and waits, and when the last message left without one."""

    def __len__(self) -> int:
        return len(self._queue) - self._gone

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
        if self._senders or (len(self._queue) >= self.size and not self._has_room()):
            return False
        self._queue.append(message)
        if self._live is not None:
            self._live.add(message.id)
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
            self._senders = OrderedDict()
        self._senders[room] = message
        try:
            async with asyncio.timeout(timeout):
                await room
        except TimeoutError:
            if room.done() and not room.cancelled():
                room.result()  # it was let in, or the mailbox closed, in the very moment the time was up
                return
            self._leave(room)
            raise MailboxFull(self.owner, self.size, timeout or 0.0) from None
        except asyncio.CancelledError:
            self._leave(room)
            raise

    def _leave(self, room: asyncio.Future[None]) -> None:
        """Who gives up leaves the line: a reader that hangs would never clear it, and memory would fill."""
        if self._senders is not None:
            self._senders.pop(room, None)
        self._left()

    def take(self) -> Message | None:
        """The oldest message, or None; lets the next waiting sender in."""
        if not self._queue:
            return None
        message = self._queue.popleft()
        if self._live is not None:
            message = self._next_live(message)
        if self._senders:
            self._admit()
        return message

    def push(self, message: Message) -> None:
        """Put whatever the size: a signal of the system, which must not wait. Dropped where closed."""
        if self._closed is None:
            self._append(message)
            self.wake()

    def put_back(self, message: Message) -> None:
        """Put in front: a message that is to be delivered again."""
        self._queue.appendleft(message)
        if self._live is not None:
            self._live.add(message.id)

    def clear(self) -> list[Message]:
        """Take everything that stands in it; the senders that wait for room come in now."""
        taken = self._take_all()
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
            room, _ = self._senders.popitem(last=False)
            if not room.done():
                room.set_exception(error())
        return self._take_all()

    def withdraw(self, message: Message) -> bool:
        """Take `message` out again, or what stands here as its copy.

        Returns:
            Whether it still stood in the queue.
        """
        if not self._take_out(message.id):
            return False
        self._admit()
        self._left()
        return True

    # Many may withdraw at once, in any order: no message is looked for one by one.

    def _take_out(self, id: str) -> bool:
        live = self._live
        if live is None:
            live = self._live = {each.id for each in self._queue}
        if id not in live:
            return False
        live.discard(id)
        self._gone += 1
        if self._gone > _FEW and 2 * self._gone > len(self._queue):
            self._leave_out()
        if not live:
            self._forget()
        return True

    def _next_live(self, message: Message) -> Message:
        """`message`, which was just taken from the queue, or the next behind it that was not withdrawn."""
        assert self._live is not None
        while message.id not in self._live:
            self._gone -= 1
            message = self._queue.popleft()  # there is one: else nobody would be live
        self._live.discard(message.id)
        if not self._live:
            self._forget()
        return message

    def _leave_out(self) -> None:
        """Let the queue be what is live in it."""
        if self._live is not None:
            self._queue = deque(each for each in self._queue if each.id in self._live)
            self._live, self._gone = None, 0

    def _forget(self) -> None:
        """Nothing is left that was not withdrawn."""
        self._queue.clear()
        self._live, self._gone = None, 0

    def _take_all(self) -> list[Message]:
        self._leave_out()
        taken = list(self._queue)
        self._forget()
        return taken

    def _append(self, message: Message) -> None:
        self._queue.append(message)
        if self._live is not None:
            self._live.add(message.id)

    def _has_room(self) -> bool:
        return len(self._queue) - self._gone < self.size

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
        while senders and self._has_room():
            room, message = senders.popitem(last=False)
            if not room.done():
                self._append(message)
                room.set_result(None)
        self.wake()
