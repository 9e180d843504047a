"""What becomes of a message that nobody waits for, if its recipient does not take it."""

from __future__ import annotations

from civitas.errors import DeliveryError, MailboxFull, NodeDown, NotStored, UnknownAgent
from civitas.events import DeadLetterReason

__all__ = ["reason_of"]


def reason_of(error: DeliveryError) -> DeadLetterReason:
    """Why it is a dead letter, by the error with which it was refused."""
    match error:
        case UnknownAgent():
            return DeadLetterReason.UNKNOWN
        case NodeDown():
            return DeadLetterReason.NODE_DOWN
        case MailboxFull() | NotStored():
            return DeadLetterReason.EXPIRED
        case _:
            return DeadLetterReason.TERMINATED
