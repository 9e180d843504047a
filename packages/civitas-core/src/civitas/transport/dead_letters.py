"""What a broker offers that keeps the messages which nobody will handle, until somebody has looked at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from civitas.transport.carrier import CarrierEntry

__all__ = ["DeadLetter", "DeadLetterBox", "KeepsDeadLetters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody will handle.

    Attributes:
        agent: Whose it is.
        reason: One of `DeadLetterReason`.
        time: Unix seconds when it became one.
        id: Under which it is kept once, however often it is put.
        body: The message, as it travels.
        headers: What others who look at the broker may read.
        number: Its place among them; 0 before it is kept.
    """

    agent: str
    reason: str
    time: float
    id: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    number: int = 0


class DeadLetterBox(Protocol):
    """The dead letters of a system."""

    async def make(self) -> None:
        """Make it, or find it there.

        Raises:
            ConfigurationError: The broker refuses, has it with other settings, or cannot be reached.
        """
        ...

    async def keep(self, letter: DeadLetter) -> None:
        """Keep one; it is there when this returns.

        Raises:
            ConfigurationError: The broker cannot be reached, or does not take it at this moment.
        """
        ...

    def all(self, agent: str = "", reason: str = "") -> AsyncIterator[DeadLetter]:
        """Those of an agent, and of a reason, the oldest first; empty for all.

        Raises:
            ConfigurationError: The broker cannot be reached.
        """
        ...

    async def get(self, number: int) -> DeadLetter | None:
        """That of a number; None if there is none."""
        ...

    async def drop(self, number: int) -> bool:
        """Remove one; False if it is not there."""
        ...

    async def deliver(
        self, letter: DeadLetter, message_id: str, conversation: str, body: bytes
    ) -> None:
        """Put a message into the mailbox of the agent again, once for each number.

        To how many incarnations it was given before counts no more.

        Args:
            letter: The dead letter that it was.
            message_id: The id of the message.
            conversation: Of the message; empty for none.
            body: What the mailbox takes.

        Raises:
            ConfigurationError: The agent has no mailbox, or there is no room in it.
        """
        ...

    async def close(self) -> None:
        """End it. May be called twice."""
        ...


@runtime_checkable
class KeepsDeadLetters(Protocol):
    """A carrier whose broker keeps dead letters."""

    def dead_letters(self, entry: CarrierEntry) -> DeadLetterBox | None:
        """Those of a system; None if the entry says that its broker keeps nothing."""
        ...
