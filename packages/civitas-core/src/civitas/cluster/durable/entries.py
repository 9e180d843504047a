"""Where the senders of a node put messages that the broker keeps."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere, Way
from civitas.message import Message
from civitas.process import ChildKind, Entry, Wake, soon

__all__ = ["Before", "Beside", "KeptEntry", "KeptName", "KeptPool", "Putting"]


class Putting(Protocol):
    """Puts into mailboxes of the broker."""

    def put(
        self, address: str, key: str, message: Message, timeout: float | None, size: int
    ) -> Awaitable[None]:
        """Put; what to wait for until the broker has it, see `Lanes.put`."""

    def withdraw_unread(self, address: str, message: Message, reader_left: bool | None) -> None:
        """Whoever asked does not wait any more, and perhaps the message is still in its mailbox; see `TakesUnread`."""


class Beside(Entry, Protocol):
    """The entry that would take the messages if the broker did not."""

    def check_open(self) -> None:
        """Raise the `DeliveryError` with which it refuses messages, if it does."""


class Before(Protocol):
    """What was sent before."""

    async def drained(self) -> None:
        """Wait until it is where it should be."""


class KeptEntry:
    """The entry of an agent whose messages the broker keeps.

    Args:
        beside: What would take them otherwise; it still takes what the system itself tells the agent.
        putting: Puts them.
        address: Of the agent's mailbox.
        key: The conversation; empty for an agent that is not of a pool.
        size: Of the mailbox.
        first: What must be empty first, as it was put there before.
    """

    __slots__ = ("_beside", "_first", "_key", "_putting", "_size", "address")

    def __init__(
        self,
        beside: Beside,
        putting: Putting,
        address: str,
        key: str,
        size: int,
        *,
        first: Before | None = None,
    ) -> None:
        self.address = address
        self._beside = beside
        self._putting = putting
        self._key = key
        self._size = size
        self._first = first

    def __len__(self) -> int:
        return len(self._beside)

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Never takes it at once: the broker must have it; see `Entry.offer`."""
        self._beside.check_open()
        return False

    def put(self, message: Message, timeout: float | None) -> Awaitable[None]:
        """Put; what to wait for until the broker has it, see `Entry.put`."""
        self._beside.check_open()
        if self._first is not None:
            return self._put_behind(self._first, message, timeout)
        return self._putting.put(self.address, self._key, message, timeout, self._size)

    async def _put_behind(self, first: Before, message: Message, timeout: float | None) -> None:
        await first.drained()
        self._first = None
        await self._putting.put(self.address, self._key, message, timeout, self._size)

    def withdraw_unread(self, message: Message, reader_left: bool | None) -> None:
        """Whoever asked does not wait any more; see `TakesUnread.withdraw_unread`."""
        self._putting.withdraw_unread(self.address, message, reader_left)

    def push(self, message: Message) -> None:
        """Tell the agent something of the system itself; see `Entry.push`."""
        self._beside.push(message)

    async def drained(self) -> None:
        """Wait until nothing is left that was read; see `Entry.drained`."""
        await self._beside.drained()


class KeptName:
    """A name that several stand behind, and whose messages the broker keeps until the root hands them on.

    Args:
        facts: What is known of the name.
        way: How messages go to agents of others.
    """

    def __init__(self, facts: Facts, way: Way) -> None:
        self._facts = facts
        self._way = way

    def cell(self, conversation: str | None, message_id: str) -> Elsewhere:
        """Where a message of `conversation` is put."""
        name, rest = self._facts.name, self._facts.plain()[1:]
        several = self._facts.kind == ChildKind.CONVERSATION_POOL
        if several:
            name = f"{name}/{conversation if conversation is not None else message_id}"
        found = Elsewhere(
            Facts(name, *rest), self._way, key=(conversation or "") if several else ""
        )
        kept = self._way.kept_entry(found)
        assert kept is not None  # it has a mailbox
        found.entry = kept
        return found


class KeptPool:
    """A pool of this node whose messages the broker keeps: who sends wakes no conversation, who reads does.

    Args:
        here: The pool.
        facts: What is known of it.
        way: How messages go to agents of others.
    """

    def __init__(self, here: Any, facts: Facts, way: Way) -> None:
        self.here = here
        self._facts = facts
        self._way = way

    @property
    def children(self) -> Any:
        """Its conversations that are awake."""
        return self.here.children

    def cell(self, conversation: str | None, message_id: str) -> Elsewhere:
        """Where a message of `conversation` is put."""
        name = f"{self._facts.name}/{conversation if conversation is not None else message_id}"
        facts = Facts(name, *self._facts.plain()[1:])
        found = Elsewhere(facts, self._way, key=conversation or "")
        kept = self._way.kept_entry(found)
        assert kept is not None  # its pool is kept
        found.entry = kept
        return found
