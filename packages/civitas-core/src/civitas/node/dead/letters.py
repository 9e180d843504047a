"""From a message that nobody will handle to what is kept of it, and back."""

from __future__ import annotations

import time

from civitas.errors import (
    ConfigurationError,
    DeliveryError,
    MailboxFull,
    NodeDown,
    NotStored,
    UnknownAgent,
)
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer, dumps, loads, new_message
from civitas.message.envelope import REPLAY
from civitas.transport.dead_letters import DeadLetter

__all__ = [
    "again",
    "agent_of",
    "dead_letter_of",
    "is_worth_keeping",
    "message_of",
    "reason_of",
    "replayed",
]

_TRACE = ("traceparent", "tracestate", "baggage")
_LONG = 512
"""Characters of a header that stays in the message alone."""
_STARTED = frozenset({DeadLetterReason.CRASHED, DeadLetterReason.MAX_DELIVERIES})
"""For these reasons a handler has started with the message."""
_OWN = "civitas."
"""What the types of messages begin with that the system itself sends."""


def dead_letter_of(
    message: Message, reason: DeadLetterReason, serializer: Serializer
) -> DeadLetter:
    """What is kept of a message that nobody will handle, or of a reply that nobody waits for."""
    agent = agent_of(message, reason)
    replays = message.headers.get(REPLAY, "0")
    return DeadLetter(
        agent=agent,
        reason=str(reason),
        time=time.time(),
        id=f"{agent}#{message.id}#{replays}",
        body=bytes(dumps(message, serializer)),
        headers={
            key: text for key in _TRACE if 0 < len(text := message.headers.get(key, "")) < _LONG
        },
    )


def is_worth_keeping(message: Message, reason: DeadLetterReason) -> bool:
    """Whether people may want to look at it: neither a chunk of a stream, nor what the system itself sends."""
    is_chunk = reason is DeadLetterReason.NO_READER and message.correlation_id is not None
    return not is_chunk and not message.type.startswith(_OWN)


def subject_of(message: Message) -> str:
    """The agent that it is about: whoever sent a reply or a chunk, and otherwise the recipient."""
    return message.recipient if message.correlation_id is None else message.sender or ""


def agent_of(message: Message, reason: str) -> str:
    """The agent or pool whose dead letter it is."""
    name = message.sender if reason == DeadLetterReason.LATE_REPLY else message.recipient
    return (name or "").partition("/")[0]


def message_of(letter: DeadLetter) -> Message:
    """The message that a dead letter was.

    Raises:
        ConfigurationError: It cannot be read; it is of another version of Civitas.
    """
    return loads(letter.body)


def replayed(letter: DeadLetter) -> Message:
    """The message for another delivery, under the same id: without a deadline, and with nobody who waits for it.

    Raises:
        ConfigurationError: It cannot be read, or it is a reply, which nobody waits for.
    """
    return again(message_of(letter), letter.reason, letter.number)


def again(message: Message, reason: str, number: int) -> Message:
    """What `replayed` makes of a message that was the dead letter `number` for a reason.

    Raises:
        ConfigurationError: It is a reply, which nobody waits for.
    """
    if reason == DeadLetterReason.LATE_REPLY:
        raise ConfigurationError(
            f"number {number} is a reply that came too late: nobody waits for it, so it cannot be replayed"
        )
    times = int(message.headers.get(REPLAY, "0")) + 1
    return new_message(
        message.type,
        message.sender,
        message.recipient,
        message.raw,
        message.id,
        message.correlation_id,
        None,
        message.conversation,
        {**message.headers, REPLAY: str(times)},
        message.timestamp,
        None,
        message.attempt + (reason in _STARTED),
        False,
        # That of a run that nobody named is the id of its message.
        None if message.run_name == message.id else message.run_name,
    )


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
