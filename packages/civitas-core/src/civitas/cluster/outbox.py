"""What one node has sent to one agent of another and is not finished there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from civitas.errors import DeliveryError
from civitas.message import Message
from civitas.process import Mailbox

if TYPE_CHECKING:
    from civitas.process.mailbox import Wake

__all__ = ["Outbox"]


class Outbox(Mailbox):
    """The far end of a mailbox, for the senders of one node.

    A message stands in it from `send` until the agent has finished with it. That is the flow control: who finds as many
    messages unfinished as the mailbox holds, and one in hand, waits here, and delays nobody else on the connection. And
    it is what makes redelivery possible: what stands here when the other process dies is known.

    The bound is for each sending OS process; senders of one process wait in line, as at any mailbox.

    Args:
        owner: Name of the agent, for errors.
        size: How many messages its mailbox holds.
        post: Sends a message on its way.
        check: Raises `PayloadError` for a message that cannot travel.
    """

    __slots__ = ("_check", "_given", "_post", "_pushed", "_there", "_way_is_open")

    def __init__(
        self,
        owner: str,
        size: int,
        post: Callable[[Message], None],
        check: Callable[[Message], None],
    ) -> None:
        super().__init__(owner, size)
        self._post = post
        self._check = check
        self._way_is_open = False
        self._given: dict[str, int] = {}
        """How many incarnations were given a message and lost their process with it in hand."""
        self._pushed: set[str] = set()
        """Those that were pushed: whatever bounds them, they take no place of a sender of this node."""
        self._there: set[str] = set()
        """Those that the other process has already, as they were sent there; they are held here for its death."""

    def offer(self, message: Message, wake: Wake | None = None, *, held: bool = False) -> bool:
        """Put without waiting; see `Mailbox.offer`."""
        if self._closed is not None:
            raise self._closed()
        if self.holder is not None and not held and message.reply_to is None:
            return False
        self._check(message)
        if self._senders or not self._has_room():
            return False
        self._accept(message)
        return True

    def push(self, message: Message) -> None:
        """Put whatever the size: a signal of the system, or a message of another node, which keeps to its own bound."""
        if self._closed is None:
            self._check(message)
            self._pushed.add(message.id)
            self._accept(message)

    def hold_for(self, message: Message) -> None:
        """Hold what an agent of the other process was sent by one beside it, should that process die."""
        self._pushed.add(message.id)
        self._there.add(message.id)
        self._append(message)

    def _accept(self, message: Message) -> None:
        self._append(message)
        if self._way_is_open:
            self._post(message)

    def _has_room(self) -> bool:
        # One more than the mailbox holds: that in hand.
        return len(self) - len(self._pushed) <= self.size

    def _admit(self) -> None:
        senders = self._senders
        while senders and self._has_room():
            room, message = senders.popitem(last=False)
            if not room.done():
                self._accept(message)
                room.set_result(None)
        if not self._queue:
            self._tell_drained()

    def hold(self) -> None:
        """Let every sender wait, until `let_in`."""
        self.size = -1

    @property
    def held(self) -> bool:
        """Whether every sender waits."""
        return self.size < 0

    @property
    def idle(self) -> bool:
        """Whether the agent is finished with everything that was sent to it."""
        return not self._queue and not self.waiting

    def settled(self, message_id: str) -> None:
        """The agent has finished with a message."""
        queue = self._queue
        if queue and queue[0].id == message_id and self._live is None:
            queue.popleft()  # as they are handled in order, it nearly always is the first
        elif not self._take_out(message_id):
            return
        if self._given:
            self._given.pop(message_id, None)
        self._pushed.discard(message_id)
        self._there.discard(message_id)
        self._admit()

    def withdraw(self, message: Message) -> bool:
        """Take a message out again; see `Mailbox.withdraw`."""
        if not self._take_out(message.id):
            return False
        self._pushed.discard(message.id)
        self._admit()
        self._left()
        return True

    def close(self, error: Callable[[], DeliveryError]) -> list[Message]:
        """Take no more messages. What was sent stays: its process refuses it, or it is lost with that."""
        self._leave_out()
        sent = self._queue.copy() if self._way_is_open else None
        refused = super().close(error)
        if sent is None:
            self._pushed.clear()
            return refused
        self._queue = sent
        return []

    def clear(self) -> list[Message]:
        """Take everything that stands in it; the senders that wait for room come in now."""
        self._pushed.clear()
        return super().clear()

    def emptied(self) -> list[Message]:
        """Take everything out, the messages of the senders that wait included."""
        self.size = max(self.size, 0)
        taken: list[Message] = []
        while self._queue or self._senders:
            taken += self.clear()
        return taken

    def open_way(self) -> None:
        """Its process is there: send what waited for that, in order."""
        self._way_is_open = True
        self._leave_out()
        for message in tuple(self._queue):
            if message.id not in self._there:
                self._post(message)

    def close_way(self) -> None:
        """Its process is going: keep what comes from now on."""
        self._way_is_open = False

    def lost(self) -> None:
        """Its process is gone, with all that it had."""
        self._way_is_open = False
        self._there.clear()

    @property
    def way_is_open(self) -> bool:
        """Whether what is put in is sent at once."""
        return self._way_is_open

    def times_given(self, message_id: str) -> int:
        """How many incarnations were given a message and lost their process with it."""
        return self._given.get(message_id, 0)

    def given(self, message_id: str, times: int, at_most: int) -> Message | None:
        """The process died with this message in hand.

        Args:
            message_id: Its id.
            times: How many incarnations of that process were given it.
            at_most: How many incarnations may be given it.

        Returns:
            The message, where it is given up for that; else None, and it stays.
        """
        self._leave_out()
        for place, message in enumerate(self._queue):
            if message.id != message_id:
                continue
            all_times = self._given.get(message_id, 0) + times
            if all_times >= at_most:
                self._given.pop(message_id, None)
                self._pushed.discard(message_id)
                self._take_out(message_id)
                return message
            self._given[message_id] = all_times
            self._queue[place] = message.again(message.attempt + times)
            return None
        return None
