"""What one node has sent to one agent of another and is not finished there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from civitas.cluster.letters.sizes import SURELY_SMALL
from civitas.errors import DeliveryError
from civitas.message import Message
from civitas.process import Line, Wake, soon

__all__ = ["Outbox"]


class Outbox:
    """The entry of an agent that another node hosts, for the senders of one node.

    A message stands in it from `send` until the agent has finished with it. That is the flow control: a sender that
    finds as many messages unfinished as the mailbox holds, and one in hand, waits here, and delays nobody else on the
    connection. And it makes redelivery possible: what stands here when the other process dies is known.

    The bound is for each sending OS process; senders of one process wait in line, as at any mailbox.

    Args:
        owner: Name of the agent, for errors.
        size: How many messages its mailbox holds.
        post: Sends a message on its way.
        check: Raises `PayloadError` for a message that cannot travel.
    """

    __slots__ = (
        "_check",
        "_closed",
        "_drained",
        "_expected",
        "_line",
        "_messages",
        "_post",
        "_pushed",
        "_there",
        "_way_is_open",
        "on_spare",
        "size",
        "times_given",
    )

    def __init__(
        self,
        owner: str,
        size: int,
        post: Callable[[Message], None],
        check: Callable[[Message], None],
    ) -> None:
        self.size = size
        self._post = post
        self._check = check
        self._messages: dict[str, Message] = {}
        """By id, in the order they came."""
        self._line = Line(owner)
        self._closed: Callable[[], DeliveryError] | None = None
        self._drained: asyncio.Event | None = None
        self._way_is_open = False
        self._expected = 0
        self.on_spare: Callable[[], None] | None = None
        """Called when what was expected does not come, and nothing stands in it."""
        self.times_given: dict[str, int] = {}
        """How many incarnations were given a message and lost their process with it in hand."""
        self._pushed: set[str] = set()
        """Those that were pushed: whatever bounds them, they take no place of a sender of this node."""
        self._there: set[str] = set()
        """Those that the other process has already, as they were sent there; they are held here for its death."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def waiting(self) -> int:
        """How many senders wait for room."""
        return len(self._line)

    # For senders.

    def check_open(self) -> None:
        """Raise what `close` said, if it takes no messages."""
        if self._closed is not None:
            raise self._closed()

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Put without waiting; see `Entry.offer`."""
        if self._closed is not None:
            raise self._closed()
        if len(message.raw) > SURELY_SMALL or message.headers:
            self._check(message)
        # As `_has_room` and `_accept` say, written out: each message comes by here.
        line = self._line
        if line.senders or line.held or len(self._messages) - len(self._pushed) > self.size:
            return False
        self._messages[message.id] = message
        if self._way_is_open:
            self._post(message)
        return True

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait while there is no room; see `Entry.put`."""
        if self.offer(message):
            return
        try:
            await self._line.wait(message, timeout, self.size)
        finally:
            self._tell_drained()

    def expect(self, messages: int) -> None:
        """So many will be put that were accepted, as soon as they are in the store, or were read there."""
        self._expected = messages
        if not messages and self.on_spare is not None and self.idle:
            self.on_spare()

    def push(self, message: Message) -> None:
        """Put whatever the size: a signal of the system, or a message of another node, which keeps to its own bound."""
        if self._closed is None:
            self._check(message)
            self._pushed.add(message.id)
            self._accept(message)

    def take_over(self, message: Message, times: int) -> None:
        """Put what stood in another one, and was given to so many incarnations that were lost with it."""
        if times:
            self.times_given[message.id] = times
        self.push(message)

    def hold_for(self, message: Message) -> None:
        """Hold what an agent of the other process was sent by one beside it, should that process die."""
        self._pushed.add(message.id)
        self._there.add(message.id)
        self._messages[message.id] = message

    def withdraw(self, message: Message) -> Message | None:
        """Take a message out again, with its attempts as they are counted here; None if it is not here."""
        there = self._messages.get(message.id)
        self.settled(message.id)
        return there

    async def drained(self) -> None:
        """Wait until the agent is finished with everything that was sent to it, or takes no messages any more."""
        if self.idle or self._closed is not None:
            return
        if self._drained is None:
            self._drained = asyncio.Event()
        await self._drained.wait()

    @property
    def idle(self) -> bool:
        """Whether the agent is finished with everything that was sent to it."""
        return not self._messages and not self._line

    @property
    def is_needed(self) -> bool:
        """Whether something stands in it, or will."""
        return not self.idle or self._expected > 0

    def find(self, message_id: str) -> Message | None:
        """A message that stands in it."""
        return self._messages.get(message_id)

    # What becomes of the messages.

    def settled(self, message_id: str) -> bool:
        """The agent has finished with a message; False if it is not here."""
        if self._messages.pop(message_id, None) is None:
            return False
        if self.times_given or self._pushed:  # there is seldom something to forget of one
            self._forget(message_id)
        if self._line.senders or self._drained is not None:
            self._admit()
        return True

    def given(self, message_id: str, times: int, at_most: int) -> Message | None:
        """The process died with this message in hand.

        Args:
            message_id: Its id.
            times: How many incarnations of that process were given it.
            at_most: How many incarnations may be given it.

        Returns:
            The message, if it is given up for that; otherwise None, and it stays.
        """
        message = self._messages.get(message_id)
        if message is None:
            return None
        all_times = self.times_given.get(message_id, 0) + times
        if all_times >= at_most:
            self.settled(message_id)
            return message
        self.times_given[message_id] = all_times
        self._messages[message_id] = message._again(message.attempt + times)
        return None

    def clear(self, which: Callable[[Message], bool] = lambda message: True) -> list[Message]:
        """Take out all, or those that are asked for; the senders that wait for room come in now."""
        taken = [message for message in self._messages.values() if which(message)]
        for message in taken:
            del self._messages[message.id]
            self._forget(message.id)
        self._admit()
        return taken

    def emptied(self) -> list[Message]:
        """Take everything out, the messages of the senders that wait included."""
        self._line.held = False
        taken: list[Message] = []
        while not self.idle:
            taken += self.clear()
        return taken

    # The way to the agent.

    @property
    def way_is_open(self) -> bool:
        """Whether what is put in is sent at once."""
        return self._way_is_open

    def open_way(self) -> None:
        """Its process is there: send what waited for that, in order."""
        self._way_is_open = True
        for message in tuple(self._messages.values()):
            if message.id not in self._there:
                self._post(message)

    def close_way(self) -> None:
        """Its process is going: keep what comes from now on."""
        self._way_is_open = False

    def lost(self) -> None:
        """Its process is gone, with all that it had."""
        self._way_is_open = False
        self._there.clear()

    # For whoever looks after the name.

    def close(self, error: Callable[[], DeliveryError]) -> list[Message]:
        """Refuse what comes from now on with what `error` makes, and the senders that wait.

        Returns:
            What stood in it and was not sent. What was sent stays: its process refuses it, or it is lost with that.
        """
        self._closed = error
        self._tell_drained()
        self._line.refuse(error)
        return [] if self._way_is_open else self._take_all()

    def reopen(self) -> None:
        """Take messages again."""
        self._closed = None

    def hold(self) -> None:
        """Let every sender wait, until `let_in`."""
        self._line.held = True

    def let_in(self) -> None:
        """End what `hold` began: those that wait come in first, as many as there is room for."""
        self._line.held = False
        self._admit()

    def _accept(self, message: Message) -> None:
        self._messages[message.id] = message
        if self._way_is_open:
            self._post(message)

    def _has_room(self) -> bool:
        # One more than the mailbox holds: that in hand.
        return len(self._messages) - len(self._pushed) <= self.size

    def _admit(self) -> None:
        self._line.let_in(self._has_room, self._accept)
        self._tell_drained()

    def _forget(self, message_id: str) -> None:
        self.times_given.pop(message_id, None)
        self._pushed.discard(message_id)
        self._there.discard(message_id)

    def _take_all(self) -> list[Message]:
        taken = list(self._messages.values())
        self._messages.clear()
        for message in taken:
            self._forget(message.id)
        return taken

    def _tell_drained(self) -> None:
        """Tell who waits for it if it is drained."""
        if self._drained is not None and (self.idle or self._closed is not None):
            self._drained.set()
            self._drained = None
