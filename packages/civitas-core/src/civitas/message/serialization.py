"""A whole message as bytes, in MessagePack or JSON, and how old and new peers read each other.

A message is a map. The rules, which `docs/reference/wire.md` explains:

1. A key is never given another meaning, and never taken out while a peer of the same major version needs it.
2. A new key is optional: who does not know it passes over it, who misses it takes the default.
3. ``v`` is the major version. It changes only when rule 1 must be broken; a peer of another one is refused.
4. The reader tells the format by the first byte, so that a system can change it one OS process at a time.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import msgpack

from civitas.errors import ConfigurationError, PayloadError
from civitas.message.codec import decode, encode
from civitas.message.json_codec import tag, untag
from civitas.message.large import LARGE, Large, pack_map, unpack_map
from civitas.message.message import Message, new_message

__all__ = ["WIRE_VERSION", "Serializer", "dumps", "loads"]

WIRE_VERSION = 1
"""The major version of the wire format."""

_FIELDS = (
    "id",
    "type",
    "sender",
    "recipient",
    "correlation_id",
    "reply_to",
    "conversation",
    "timestamp",
    "deadline",
    "attempt",
    "wants_chunks",
    "run_name",
)
_NONE = type(None)
_TYPES: tuple[tuple[type, ...], ...] = (
    (str,),
    (str,),
    (str, _NONE),
    (str,),
    (str, _NONE),
    (str, _NONE),
    (str, _NONE),
    (float, int, _NONE),
    (float, int, _NONE),
    (int, _NONE),
    (bool, _NONE),
    (str, _NONE),
    (dict, _NONE),
)
"""Of the fields, and of the headers."""
_fitting: set[tuple[object, ...]] = set()
"""The keys of messages that were seen to fit, and the types of their values."""
_REMEMBERED = 256
"""How many of these are remembered; there are few."""
_OPEN_BRACE = b"{"
# Kept as in the codec, for the same reasons.
_packers: list[msgpack.Packer] = []
_KEEP_BELOW = 256 * 1024


class Serializer(StrEnum):
    """The format of messages between OS processes."""

    MSGPACK = "msgpack"
    """Small and fast; the default."""
    JSON = "json"
    """Readable on the wire."""


def dumps(message: Message, serializer: Serializer = Serializer.MSGPACK) -> bytes | Large:
    """A message as bytes; one with a large payload in parts, which are not copied."""
    # Written out: each message between processes comes by here, and a loop over its fields took as long as the rest.
    envelope: dict[str, Any] = {"v": WIRE_VERSION, "id": message.id, "type": message.type}
    if message.sender is not None:
        envelope["sender"] = message.sender
    envelope["recipient"] = message.recipient
    if message.correlation_id is not None:
        envelope["correlation_id"] = message.correlation_id
    if message.reply_to is not None:
        envelope["reply_to"] = message.reply_to
    if message.conversation is not None:
        envelope["conversation"] = message.conversation
    if message.timestamp is not None:
        envelope["timestamp"] = message.timestamp
    if message.deadline is not None:
        envelope["deadline"] = message.deadline
    if message.attempt:
        envelope["attempt"] = message.attempt
    if message.wants_chunks:
        envelope["wants_chunks"] = True
    if message.run_name is not None:
        envelope["run_name"] = message.run_name
    if message.headers:
        envelope["headers"] = dict(message.headers)
    if serializer is Serializer.JSON:
        envelope["payload"] = tag(decode(message.raw))
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    payload = envelope["payload"] = message.raw  # encoded already, and never decoded on the way
    if len(payload) > LARGE:
        return pack_map(envelope)
    try:
        packer = _packers.pop()
    except IndexError:
        packer = msgpack.Packer()
    packed: bytes = packer.pack(envelope)
    if len(packed) < _KEEP_BELOW:
        _packers.append(packer)
    return packed


def loads(frame: bytes | Large) -> Message:
    """A message from bytes, in either format.

    Raises:
        ConfigurationError: It is not a message, or of another major version.
    """
    as_json = frame[0:1] == _OPEN_BRACE
    try:
        if as_json:
            envelope = json.loads(bytes(frame))
        else:
            envelope = msgpack.unpackb(frame) if len(frame) <= LARGE else unpack_map(frame)
        version = envelope["v"]
    except Exception as error:
        raise ConfigurationError(
            f"received something that is not a Civitas message ({error})"
        ) from error
    if version != WIRE_VERSION:
        newer = isinstance(version, int) and version > WIRE_VERSION
        raise ConfigurationError(
            f"the peer speaks wire version {version}, this process {WIRE_VERSION}; "
            f"upgrade civitas-core {'here' if newer else 'there'}"
        )
    payload = envelope.get("payload")
    if type(payload) is Large:
        payload = bytes(payload)  # the one copy: what came is not kept
    headers = envelope.get("headers")
    form = (*envelope, *map(type, envelope.values()))
    if headers or form not in _fitting:
        types = (*map(type, map(envelope.get, _FIELDS)), type(headers), type(payload))
        _check(types, headers, as_json)
        if not as_json and len(_fitting) < _REMEMBERED:
            _fitting.add(form)
    try:
        return new_message(
            envelope["type"],
            envelope.get("sender"),
            envelope["recipient"],
            encode(untag(payload)) if as_json else payload,
            envelope["id"],
            envelope.get("correlation_id"),
            envelope.get("reply_to"),
            envelope.get("conversation"),
            headers,
            envelope.get("timestamp"),
            envelope.get("deadline"),
            envelope.get("attempt") or 0,
            envelope.get("wants_chunks") or False,
            envelope.get("run_name"),
        )
    except PayloadError as error:  # its conversation holds half a character
        raise ConfigurationError(f"a message arrived that cannot be read ({error})") from error


def _check(types: tuple[type, ...], headers: dict[Any, Any] | None, as_json: bool) -> None:
    """Check the types of what a message says of itself, so that whoever reads it can rely on them."""
    for field, found, fine in zip((*_FIELDS, "headers"), types, _TYPES, strict=False):
        if found not in fine:
            lacks = found is _NONE
            raise ConfigurationError(
                f"a message {'without' if lacks else 'with another'} {field!r} arrived; it cannot be read"
            )
    if not as_json and types[-1] is not bytes:
        raise ConfigurationError("a message without 'payload' arrived; it cannot be read")
    if headers and not {str}.issuperset(map(type, (*headers, *headers.values()))):
        raise ConfigurationError(
            "a message with headers that are not text arrived; it cannot be read"
        )
