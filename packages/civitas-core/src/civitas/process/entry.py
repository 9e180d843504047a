"""What senders put the messages for an agent into, wherever it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from civitas.message import Message

__all__ = ["Entry", "TakesUnread", "Wake", "soon"]

Wake = Callable[[asyncio.Future[bool]], None]
"""How to let the task run that waits for a future, whose result says whether it runs in its sender's place."""


def soon(reader: asyncio.Future[bool]) -> None:
    """In a later turn of the event loop."""
    reader.set_result(False)


class Entry(Protocol):
    """The sender's end of the way to one agent.

    For an agent of this OS process it is the mailbox itself; for another one it is what carries its messages there.
    """

    def __len__(self) -> int:
        """How many messages are in it: those that wait and, of an agent elsewhere, those it has not finished."""

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Put without waiting.

        Args:
            message: What to put.
            wake: How to wake the reader, should it wait and run here.

        Returns:
            Whether it was taken. Not where its sender must wait: for room, or for others to have it.

        Raises:
            DeliveryError: The agent takes no messages.
            PayloadError: The message cannot travel.
        """

    def put(self, message: Message, timeout: float | None) -> Awaitable[None]:
        """Put, and wait for room; what to wait for.

        Args:
            message: What to put.
            timeout: Seconds to wait for room; None waits for ever.

        Raises:
            MailboxFull: There was no room in time; the message was not taken.
            DeliveryError: The agent takes no messages, or stopped taking them meanwhile.
            PayloadError: The message cannot travel.
        """

    def push(self, message: Message) -> None:
        """Put whatever the size: a signal of the system, which must not wait. Dropped where nothing is taken."""

    async def drained(self) -> None:
        """Wait until nothing is in it that is still to be handled, or nothing is taken any more."""


@runtime_checkable
class TakesUnread(Protocol):
    """An entry whose messages are kept elsewhere until the agent has room for them."""

    def withdraw_unread(self, message: Message, reader_left: bool | None) -> None:
        """Whoever asked does not wait any more, and perhaps `message` has not been read yet.

        Args:
            message: It.
            reader_left: Whether it becomes a dead letter when it is read; otherwise its agent decides. None: nobody
                handles it, and it does not become a dead letter, as whoever asked knows why.
        """
