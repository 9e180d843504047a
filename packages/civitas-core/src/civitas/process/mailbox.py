"""A bounded queue of messages with one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from civitas.errors import DeliveryError, MailboxFull
from civitas.message import Message
from civitas.process.entry import Wake, soon
from civitas.process.line import Line
from civitas.process.withdrawn import Withdrawn

__all__ = ["Mailbox"]

_NOTHING: Final[deque[Message]] = deque(maxlen=0)
"""The queue of all that have not got a message yet: one of its own is 600 bytes."""


class Mailbox:
    """The messages that wait for one agent; it belongs to the agent's name, not to an incarnation.

    Whoever puts into a full mailbox waits in line, so that the order of each sender is kept: a message that finds
    the mailbox full is handed over by the reader itself, in the order the senders came.

    It is the `Entry` of its agent, and what the agent reads from.

    Args:
        owner: Name of the agent, for errors.
        size: How many messages it holds before senders wait.
    """

    # What only some need at times is made then: it would be a sixth of an idle agent.
    __slots__ = (
        "_closed",
        "_drained",
        "_line",
        "_queue",
        "_reader",
        "_takes_sends",
        "_withdrawn",
        "expected",
        "on_idle",
        "owner",
        "paused",
        "size",
        "taken",
    )

    def __init__(self, owner: str, size: int) -> None:
        self.owner = owner
        self.size = size
        self.paused = False
        """Whether its reader gets nothing; what comes waits."""
        self.taken = 0
        """How many messages its reader has taken so far."""
        self.expected = 0
        """How many messages will be put that were accepted, or are about to be."""
        self._queue = _NOTHING
        self._withdrawn: Withdrawn | None = None
        """What in the queue is not to be handled any more; None while nobody withdraws."""
        self._line: Line | None = None
        """Who waits for room; None while whoever comes may put."""
        self._reader: asyncio.Future[bool] | None = None
        self._closed: Callable[[], DeliveryError] | None = None
        self._takes_sends = False
        """Whether it is closed for asks alone."""
        self._drained: asyncio.Event | None = None
        self.on_idle: Callable[[], None] | None = None
        """Called each time its reader has come to the end and waits, and when the last message left without one."""

    def __len__(self) -> int:
        gone = self._withdrawn.count if self._withdrawn is not None else 0
        return len(self._queue) - gone

    def __iter__(self) -> Iterator[Message]:
        return iter(tuple(self._queue))

    @property
    def waiting(self) -> int:
        """How many senders wait for room, or for something else before they put."""
        return self.expected + (len(self._line) if self._line is not None else 0)

    @property
    def oldest(self) -> float | None:
        """When the first message that waits was sent, in unix seconds."""
        return self._queue[0].timestamp if self._queue else None

    # For senders.

    def check_open(self) -> None:
        """Raise what `close` said, if it takes no messages; one that takes no asks may take others."""
        if self._closed is not None and not self._takes_sends:
            raise self._closed()

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Put without waiting; see `Entry.offer`."""
        if self._closed is not None and not (self._takes_sends and message.reply_to is None):
            raise self._closed()
        if self._line is not None or (len(self._queue) >= self.size and not self._has_room()):
            return False
        if self._queue is _NOTHING:
            self._queue = deque()
        self._queue.append(message)
        if self._withdrawn is not None:
            self._withdrawn.put(message)
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                wake(reader)
        return True

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait while there is no room; see `Entry.put`."""
        if self.offer(message):
            return
        if self._line is None:
            self._line = Line(self.owner)
        try:
            await self._line.wait(message, timeout, self.size)
        except (MailboxFull, asyncio.CancelledError):
            self._end_line()
            self._left()
            raise

    def push(self, message: Message) -> None:
        """Put whatever the size; see `Entry.push`."""
        if self._closed is None or self._takes_sends:
            self._append(message)
            self.wake()

    def withdraw(self, message: Message) -> bool:
        """Take `message` out again, or what stands here as its copy.

        Returns:
            Whether it still stood in the queue.
        """
        if not self._queue:
            return False
        if self._withdrawn is None:
            self._withdrawn = Withdrawn(self._queue)
        if not self._withdrawn.add(message.id):
            return False
        self._end_withdrawing()
        self._admit()
        self._left()
        return True

    async def drained(self) -> None:
        """Wait until the reader has come to the end and waits, or the mailbox is closed, for sends too."""
        if self.idle or (self._closed is not None and not self._takes_sends):
            return
        if self._drained is None:
            self._drained = asyncio.Event()
        await self._drained.wait()

    # For the reader.

    def take(self) -> Message | None:
        """The oldest message, or None; lets the next waiting sender in."""
        if not self._queue or self.paused:
            return None
        message = self._queue.popleft()
        self.taken += 1
        if self._withdrawn is not None:
            message = self._withdrawn.next_live(message)
            self._end_withdrawing()
        if self._line is not None:
            self._admit()
        return message

    def put_back(self, message: Message) -> None:
        """Put in front: a message that is to be delivered again."""
        if self._queue is _NOTHING:
            self._queue = deque()
        self._queue.appendleft(message)
        if self._withdrawn is not None:
            self._withdrawn.put(message)

    def clear(self) -> list[Message]:
        """Take everything that stands in it; the senders that wait for room come in now."""
        taken = self._take_all()
        self._admit()
        return taken

    def readable(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[bool]:
        """What `wake` ends; the one reader waits for it and then looks for what came.

        Its result says whether the reader runs in the place of a sender who waits for it, and not in its own turn.
        """
        reader = self._reader = loop.create_future()
        if self._drained is not None:
            self._tell_drained()
        if self.on_idle is not None and not self.paused:
            self.on_idle()
        return reader

    def wake(self) -> None:
        """Let the reader look again: a message came, or a signal that has no place in the queue."""
        reader = self._reader
        if reader is not None:
            self._reader = None
            if not reader.done():
                reader.set_result(False)

    @property
    def idle(self) -> bool:
        """Whether its reader waits for a message."""
        return self._reader is not None and not self._reader.done() and not self._queue

    # For whoever looks after the name.

    def close(self, error: Callable[[], DeliveryError]) -> list[Message]:
        """Refuse what comes from now on with what `error` makes, and the senders that wait.

        Returns:
            What stood in it.
        """
        self._closed, self._takes_sends = error, False
        self._tell_drained()
        if self._line is not None:
            self._line.refuse(error)
            self._end_line()
        return self._take_all()

    def take_asks(self, error: Callable[[], DeliveryError], *, later: bool) -> list[Message]:
        """Refuse with what `error` makes the senders in line that want an answer.

        Args:
            error: Makes the error.
            later: Whether those that come from now on are refused, too.

        Returns:
            What stood in it and wants an answer.
        """
        if later and self._closed is None:
            self._closed, self._takes_sends = error, True
        if self._line is not None:
            self._line.refuse(error, _wants_answer)
            self._end_line()
        asks = list(filter(_wants_answer, self._queue))
        return [message for message in asks if self.withdraw(message)]

    @property
    def closed(self) -> bool:
        """Whether it takes no messages."""
        return self._closed is not None

    def reopen(self) -> None:
        """Take messages again."""
        self._closed, self._takes_sends = None, False

    def hold(self) -> None:
        """Let every sender wait, until `let_in`."""
        if self._line is None:
            self._line = Line(self.owner)
        self._line.held = True

    def pause(self, paused: bool) -> None:
        """Let the reader have nothing more, or go on."""
        self.paused = paused
        if not paused:
            self.wake()

    def expect(self, messages: int) -> None:
        """So many messages will be put; its reader need not end before that."""
        self.expected = messages
        if not messages and self.on_idle is not None and self.idle:
            self.on_idle()

    def let_in(self) -> None:
        """End what `hold` began: those that wait come in first, as many as there is room for."""
        if self._line is not None:
            self._line.held = False
            self._admit()

    def _append(self, message: Message) -> None:
        if self._queue is _NOTHING:
            self._queue = deque()
        self._queue.append(message)
        if self._withdrawn is not None:
            self._withdrawn.put(message)

    def _has_room(self) -> bool:
        return len(self) < self.size

    def _admit(self) -> None:
        if self._line is not None:
            self._line.let_in(self._has_room, self._append)
            self._end_line()
        self.wake()

    def _end_line(self) -> None:
        if self._line is not None and not self._line.forms:
            self._line = None

    def _take_all(self) -> list[Message]:
        if self._withdrawn is not None:
            self._withdrawn.leave_out()
            self._withdrawn = None
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def _end_withdrawing(self) -> None:
        if not self._queue:
            self._withdrawn = None

    def _left(self) -> None:
        if self.on_idle is not None and not self._queue and not self.waiting:
            self.on_idle()

    def _tell_drained(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set()


def _wants_answer(message: Message) -> bool:
    return message.reply_to is not None
