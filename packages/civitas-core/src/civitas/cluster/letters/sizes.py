"""Whether a message is small enough to travel, known before it is queued anywhere."""

from __future__ import annotations

from civitas.errors import PayloadError
from civitas.message import Message, Serializer, dumps
from civitas.transport.contract import MAX_FRAME

__all__ = ["SURELY_SMALL", "check_size"]

SURELY_SMALL = 64 * 1024
"""Bytes of a payload with which a message without headers can travel whatever its names and words are, as there is a
limit to those."""

_MARGIN = 64 * 1024
"""Bytes for what is in a frame beside the message, and for an `attempt` that grows."""
_GROWTH = {Serializer.MSGPACK: 1, Serializer.JSON: 32}
"""How many times its size in MessagePack a payload takes at most; in JSON an empty set is the worst."""


def check_size(message: Message, serializer: Serializer) -> None:
    """Raise `PayloadError` if no frame can carry `message`, its headers and names included."""
    texts = (message.type, message.sender or "", message.recipient, message.conversation or "")
    length = sum(map(len, texts))
    for name, value in message.headers.items():
        length += len(name) + len(value)
    # Nearly all are seen to be small without looking closer. A character is 4 bytes, or 6 in JSON.
    if len(message.raw) * _GROWTH[serializer] + length * 6 <= MAX_FRAME // 2:
        return
    size = len(dumps(message, serializer))
    if size > MAX_FRAME - _MARGIN:
        raise PayloadError(
            "message",
            f"{size:,} bytes as {serializer}, with its headers and names, more than the {MAX_FRAME - _MARGIN:,} that "
            "travel between OS processes; store it elsewhere and send a reference to it",
        )
