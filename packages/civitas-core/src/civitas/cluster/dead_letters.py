"""From a message that nobody will handle to what the broker keeps of it, and back."""

from __future__ import annotations

import asyncio
import logging
import time

import msgpack

from civitas.errors import ConfigurationError
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer, dumps, loads, new_message
from civitas.transport.dead_letters import DeadLetter, DeadLetterBox

__all__ = ["REPLAY", "Burying", "kept", "message_of", "replayed"]

logger = logging.getLogger("civitas")

REPLAY = "civitas-replay"
"""The header of a message that was a dead letter: how often it was put into its mailbox again."""
_TRACE = ("traceparent", "tracestate", "baggage")
_STARTED = frozenset({DeadLetterReason.CRASHED, DeadLetterReason.MAX_DELIVERIES})
"""For these reasons a handler has started with the message."""
_KEPT = 1
"""The version of what a mailbox keeps."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds before what the broker did not take is put again."""


class Burying:
    """Keeps the dead letters of a node.

    Args:
        box: Where; opened when the first comes.
        serializer: The format of messages.
    """

    def __init__(self, box: DeadLetterBox, serializer: Serializer) -> None:
        self._box = box
        self._serializer = serializer

    async def keep(self, agent: str, message: Message, reason: DeadLetterReason) -> None:
        """Keep a dead letter, however long the broker takes: only then may its mailbox forget it.

        Args:
            agent: Whose it is.
            message: The message.
            reason: Why nobody will handle it.
        """
        letter = self._letter(agent, message, reason)
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._box.keep(letter)
            except ConfigurationError as error:
                logger.warning(
                    "a dead letter of %r is not kept yet, and stays in its mailbox: %s",
                    agent,
                    error,
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _letter(self, agent: str, message: Message, reason: DeadLetterReason) -> DeadLetter:
        replays = message.headers.get(REPLAY, "0")
        return DeadLetter(
            agent=agent,
            reason=str(reason),
            time=time.time(),
            id=f"{agent}#{message.id}#{replays}",
            body=bytes(dumps(message, self._serializer)),
            headers={key: message.headers[key] for key in _TRACE if key in message.headers},
        )

    async def close(self) -> None:
        """End it."""
        await self._box.close()


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
    message = message_of(letter)
    if letter.reason == DeadLetterReason.LATE_REPLY:
        raise ConfigurationError(
            f"number {letter.number} is a reply that came too late: nobody waits for it, so it cannot be replayed"
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
        message.attempt + (letter.reason in _STARTED),
        False,
    )


def kept(message: Message) -> bytes:
    """What a mailbox of the broker keeps of a message that no node puts there."""
    packed: bytes = msgpack.packb((_KEPT, bytes(dumps(message)), "", 0, 0, None))
    return packed
