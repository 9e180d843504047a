"""`DeadLetterInfo`: what is known of a dead letter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from civitas.message.envelope import REPLAY
from civitas.node.dead.kept import KeptLetter
from civitas.node.dead.letters import agent_of, message_of
from civitas.transport.dead_letters import DeadLetter

__all__ = ["DeadLetterInfo", "info_of"]


@dataclass(frozen=True, slots=True)
class DeadLetterInfo:
    """What is known of a message that nobody will handle.

    Attributes:
        number: Its place among the dead letters of the system.
        agent: The agent or pool whose it is.
        reason: Why nobody will handle it: one of `civitas.events.DeadLetterReason`.
        time: Unix seconds when it became a dead letter.
        id: Of the message.
        type: Of the message.
        sender: Who sent it; None for the world outside.
        recipient: To whom.
        conversation: Its conversation; None without one.
        run: Name of the run that it began, if its agent is durable; otherwise None.
        sent: Unix seconds when it was sent.
        attempt: The number of the handler's last start with it, or of the next one if none has started.
        replays: How often it was a dead letter before, and was replayed.
        bytes: Length of its payload.
        payload: Its payload, where that was asked for; otherwise None.
    """

    number: int
    agent: str
    reason: str
    time: float
    id: str
    type: str
    sender: str | None
    recipient: str
    conversation: str | None
    run: str | None
    sent: float
    attempt: int
    replays: int
    bytes: int
    payload: Any = field(default=None, repr=False)


def info_of(letter: KeptLetter | DeadLetter, *, payload: bool) -> DeadLetterInfo:
    """What is known of a dead letter, whoever keeps it."""
    message: Any = letter.message if isinstance(letter, KeptLetter) else message_of(letter)
    return DeadLetterInfo(
        number=letter.number,
        agent=agent_of(message, letter.reason),
        reason=letter.reason,
        time=letter.time,
        id=message.id,
        type=message.type,
        sender=message.sender,
        recipient=message.recipient,
        conversation=message.conversation,
        run=message.run_name,
        sent=message.timestamp,
        attempt=message.attempt,
        replays=int(message.headers.get(REPLAY, "0")),
        bytes=len(message.raw),
        payload=message.payload if payload else None,
    )
