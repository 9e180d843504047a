"""The senders that wait for room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from civitas.errors import DeliveryError, MailboxFull
from civitas.message import Message

__all__ = ["Line"]


class Line:
    """The senders that wait at one entry, in the order they came.

    They do not try again when there is room: whoever makes room lets the first one in, so that nobody is overtaken.

    Args:
        owner: Name of the agent, for errors.
    """

    __slots__ = ("_owner", "held", "senders")

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.senders: OrderedDict[asyncio.Future[None], Message] = OrderedDict()
        """Those that wait, and what each wants to put."""
        self.held = False
        """Whether everybody waits, however much room there is: a conversation that its pool has no place for yet."""

    def __len__(self) -> int:
        return len(self.senders)

    @property
    def forms(self) -> bool:
        """Whether a sender that comes now must wait behind others, or because it is held."""
        return self.held or bool(self.senders)

    async def wait(self, message: Message, timeout: float | None, size: int) -> None:
        """Wait to be let in.

        Args:
            message: What the sender wants to put.
            timeout: Seconds to wait; None waits for ever.
            size: How many messages there is room for.

        Raises:
            MailboxFull: It was not let in in time.
            DeliveryError: It was refused.
        """
        loop = asyncio.get_running_loop()
        room: asyncio.Future[None] = loop.create_future()
        self.senders[room] = message
        # A timer of its own: `asyncio.timeout` costs as much as five messages, and who floods an agent waits often.
        timer = (
            None
            if timeout is None
            else loop.call_later(timeout, self._give_up, room, timeout, size)
        )
        try:
            await room
        finally:
            if timer is not None:
                timer.cancel()
            # Who gives up leaves the line: a reader that hangs would never clear it, and memory would fill.
            self.senders.pop(room, None)

    def _give_up(self, room: asyncio.Future[None], timeout: float, size: int) -> None:
        """The time is up; who was let in, or refused, in this very moment stays so."""
        if not room.done():
            room.set_exception(MailboxFull(self._owner, None if self.held else size, timeout))

    def let_in(self, has_room: Callable[[], bool], take: Callable[[Message], None]) -> None:
        """Let in those that came first, as many as there is room for.

        Args:
            has_room: Whether there is room for one more.
            take: Takes the message of one.
        """
        while self.senders and not self.held and has_room():
            room, message = self.senders.popitem(last=False)
            if not room.done():
                take(message)
                room.set_result(None)

    def refuse(
        self,
        error: Callable[[], DeliveryError],
        which: Callable[[Message], bool] = lambda message: True,
    ) -> None:
        """Send everybody away with what `error` makes, or those whose message is asked for."""
        for room in [room for room, message in self.senders.items() if which(message)]:
            del self.senders[room]
            if not room.done():
                room.set_exception(error())
