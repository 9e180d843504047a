"""What is kept of a message in a mailbox of the broker: the message, where it came from, and its place in a line."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from civitas.message import Message, Serializer, dumps, encode, loads, new_message
from civitas.message.packing import packing

__all__ = ["KeptMessage", "pack", "unpack"]

_VERSION = 1
_pack = packing()


@dataclass(slots=True)
class KeptMessage:
    """A message as it was kept.

    Attributes:
        message: The message.
        boot: The run of the node that put it.
        number: Counts what that node has put, in order.
        after: The number of the one before it in its line, if that was not known to be stored when this one was put;
            otherwise 0.
        asker: The agent that waits for its answer; None for nobody.
        apart: Where the whole message is kept, if it was too large to stand here; otherwise empty.
    """

    message: Message
    boot: str
    number: int
    after: int
    asker: str | None
    apart: str = ""


def pack(
    message: Message,
    serializer: Serializer,
    boot: str,
    number: int,
    after: int,
    asker: str | None,
    apart: str = "",
) -> bytes:
    """As it is kept. What is behind these fields in a newer version is passed over."""
    raw = dumps(message if not apart else _without_payload(message), serializer)
    if type(raw) is not bytes:
        raw = bytes(raw)
    fields = (_VERSION, raw, boot, number, after, asker)
    return _pack(fields if not apart else (*fields, apart))


def _without_payload(message: Message) -> Message:
    return new_message(
        message.type,
        message.sender,
        message.recipient,
        encode(None),
        message.id,
        message.correlation_id,
        message.reply_to,
        message.conversation,
        None,
        message.timestamp,
        message.deadline,
        message.attempt,
        message.wants_chunks,
        message.run_name,
    )


def unpack(body: bytes) -> KeptMessage:
    """Read what was kept.

    Raises:
        ValueError: It is something else, or of a version that this one does not know.
    """
    try:
        version, raw, boot, number, after, asker, *more = msgpack.unpackb(body)
        if version != _VERSION:
            raise ValueError(f"it has version {version}")
        return KeptMessage(loads(raw), boot, number, after, asker, more[0] if more else "")
    except Exception as error:
        raise ValueError(f"it is not a message of Civitas: {error}") from error
