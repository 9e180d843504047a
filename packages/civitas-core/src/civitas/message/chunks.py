"""The chunks of one stream that travel together: a fixed row of fields for each, without their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgpack

from civitas.errors import ConfigurationError
from civitas.message.large import Large
from civitas.message.message import Message, new_message

__all__ = ["dump_chunks", "load_chunks"]

_NONE: Final = type(None)
_USUAL: Final = {
    (str, str, sender, str, bytes, when, correlation, conversation, _NONE)
    for sender in (str, _NONE)
    for when in (float, int)
    for correlation in (str, _NONE)
    for conversation in (str, _NONE)
}
"""The types of the fields of nearly all: without headers, whose values must be looked at, too."""
_WITH_HEADERS: Final = {(*types[:-1], dict) for types in _USUAL}


def dump_chunks(chunks: Iterable[Message]) -> bytes:
    """Small chunks as bytes, in their order."""
    rows = [
        (
            chunk.id,
            chunk.type,
            chunk.sender,
            chunk.recipient,
            chunk.raw,
            chunk.timestamp,
            chunk.correlation_id,
            chunk.conversation,
            dict(chunk.headers) if chunk.headers else None,
        )
        for chunk in chunks
    ]
    packed: bytes = msgpack.packb(rows)
    return packed


def load_chunks(raw: bytes | Large) -> list[Message]:
    """Chunks from what `dump_chunks` made.

    Raises:
        ConfigurationError: It was something else.
    """
    try:
        return [_chunk(row) for row in msgpack.unpackb(bytes(raw))]
    except Exception as error:
        raise ConfigurationError(f"chunks arrived that cannot be read ({error})") from error


def _chunk(row: list[Any]) -> Message:
    types = (*map(type, row),)
    if types not in _USUAL and not (types in _WITH_HEADERS and _are_texts(row[8])):
        raise ValueError("a field is missing, or of another type")
    id, kind, sender, recipient, payload, when, correlation, conversation, headers = row
    return new_message(
        kind, sender, recipient, payload, id, correlation, None, conversation, headers, when
    )


def _are_texts(headers: dict[Any, Any]) -> bool:
    return {str}.issuperset(map(type, (*headers, *headers.values())))
