"""What a broker offers that keeps messages: mailboxes that outlive every process of a system.

A carrier whose broker can do this is `Keeping`. The nodes put messages into mailboxes, the one that hosts an agent
reads its mailbox, and the root alone makes mailboxes and says who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from civitas.transport.carrier import CarrierEntry
from civitas.transport.contract import Transport
from civitas.transport.dead_letters import DeadLetterBox

__all__ = [
    "Keeping",
    "Landed",
    "Letter",
    "MailboxKeeper",
    "Mailboxes",
    "NoRoom",
    "NotKept",
    "Reading",
    "Unsure",
]


class NoRoom(Exception):
    """The mailbox holds as many messages as it may. The message was not stored."""


class Unsure(Exception):
    """Whether the message was stored is not known. The same put again, with the same id, stores it once."""


class NotKept(Exception):
    """The broker does not take the message, however often it is put: its text says why, and what to do."""


@dataclass(slots=True, eq=False)
class Letter:
    """A message that was read from a mailbox.

    Attributes:
        place: Its place in the order of the broker; the same however often it is read.
        body: What was put.
        behind: How many more stood behind it in the mailbox when it was read.
        handle: By which the broker knows this delivery.
    """

    place: int
    body: bytes
    behind: int
    handle: Any


Landed: TypeAlias = Callable[[int | Exception], None]
"""Told what became of a message: its place, or why it has none."""


class Reading(Protocol):
    """The one reader of a mailbox."""

    def want(self, count: int) -> None:
        """Take so many more letters, when they come."""
        ...

    def finish(self, letter: Letter) -> None:
        """The message has been handled, or given up: take it out of the mailbox. Does not wait for that."""
        ...

    async def finished(self, letter: Letter) -> bool:
        """Finish it, and wait until the broker says that it is out of the mailbox, also over an outage.

        Returns:
            Whether it is out; False if this was closed before the broker said so.
        """
        ...

    def renew(self) -> None:
        """Begin again: the root says that this node still has the mailbox, and everything unfinished comes again."""
        ...

    async def close(self) -> None:
        """Take nothing more. What is not finished stays in the mailbox. May be called twice."""
        ...


@runtime_checkable
class Mailboxes(Protocol):
    """The mailboxes of a system, as one of its nodes uses them.

    Attributes:
        largest: Bytes that a body may have.
        dead_letters: Where those are kept that nobody will handle.
        on_up: Called each time that the broker can be reached again.
    """

    largest: int
    dead_letters: DeadLetterBox
    on_up: Callable[[], None]

    async def open(self, patience: float | None) -> None:
        """Reach the broker.

        Args:
            patience: Seconds to wait for it; None waits for ever.

        Raises:
            ConfigurationError: It is not there, lets nobody in, or cannot keep messages.
        """
        ...

    def put(
        self,
        address: str,
        key: str,
        id: str,
        body: bytes,
        headers: Mapping[str, str],
        landed: Landed,
    ) -> None:
        """Put a message into a mailbox; those put one after the other reach the broker in that order.

        Args:
            address: Of the mailbox.
            key: The conversation, where each has its own bound; otherwise empty.
            id: Under which it is stored once, however often it is put within ten minutes.
            body: The message.
            headers: What others who look at the broker may read.
            landed: Called once, after this has returned, with its place, or with `NoRoom`, `Unsure` or `NotKept` if it
                is not known to be stored.
        """
        ...

    async def keep_apart(self, raw: bytes) -> str:
        """Keep a message that is too large for a mailbox; returns the reference that stands there for it.

        Raises:
            NotKept: The broker does not take it.
        """
        ...

    async def fetch(self, reference: str) -> bytes | None:
        """What was kept apart; None if it is not whole, as its sender ended meanwhile."""
        ...

    def drop(self, reference: str) -> None:
        """Remove what was kept apart. Does not wait for that."""
        ...

    async def retract(self, address: str, places: Sequence[int]) -> bool:
        """Take messages out of a mailbox that nobody has handled.

        Returns:
            Whether all of them are surely out.
        """
        ...

    async def read(
        self, address: str, take: Callable[[Letter], None], lost: Callable[[], None]
    ) -> Reading:
        """Read a mailbox, after the root has handed it to this node.

        Args:
            address: Of the mailbox.
            take: Called with each letter, in the order of their places, and again with those that were not finished
                when the reading began again.
            lost: Called when letters may have got lost, or this node may have been given up meanwhile: nothing more
                comes, or is finished, before `renew`.
        """
        ...

    async def close(self) -> None:
        """End it. May be called twice, and without `open`."""
        ...


@runtime_checkable
class MailboxKeeper(Protocol):
    """What the root alone does with the mailboxes of a system."""

    async def open(self) -> None:
        """Reach the broker.

        Raises:
            ConfigurationError: It cannot keep messages.
        """
        ...

    async def make(self, name: str, size: int, *, several: bool) -> str:
        """Make the mailbox of an agent, or find it there.

        Args:
            name: Of the agent.
            size: How many messages may be unfinished in it.
            several: Whether the bound is for each key.

        Returns:
            Its address.

        Raises:
            ConfigurationError: The broker refuses, or has it with other settings.
        """
        ...

    async def fence(self, address: str, *, look: bool) -> Sequence[bytes]:
        """Take everything unfinished back into the mailbox: whoever reads it next gets all of it, in order.

        Args:
            address: Of the mailbox.
            look: Whether to find out what had been given to its reader.

        Returns:
            With `look`, the bodies of the first that had been given to the reader and was not finished, of each key.
        """
        ...

    async def unfinished(self, address: str) -> int:
        """How many messages are in a mailbox."""
        ...

    async def noted(self, address: str) -> Mapping[str, int]:
        """What was noted about a mailbox."""
        ...

    async def note(self, address: str, counts: Mapping[str, int]) -> None:
        """Note something about a mailbox, in place of what was noted before."""
        ...

    async def remove(self, address: str) -> None:
        """Remove the mailbox of an agent that is gone for good, unless something is in it."""
        ...

    async def close(self) -> None:
        """End it. May be called twice, and without `open`."""
        ...


@runtime_checkable
class Keeping(Protocol):
    """A carrier whose broker keeps messages."""

    def keeps(self, entry: CarrierEntry) -> bool | None:
        """Whether messages are kept: for all agents (True), for those that want it (None), or for none (False)."""
        ...

    def mailboxes(self, entry: CarrierEntry, transport: Transport) -> Mailboxes:
        """The mailboxes as the node with this transport uses them, not open."""
        ...

    def keeper(self, entry: CarrierEntry) -> MailboxKeeper:
        """What the root does with them, not open."""
        ...
