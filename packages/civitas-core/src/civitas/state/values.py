"""How a value is written: as a payload is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.errors import PayloadError, StateStoreError
from civitas.message import decode, encode
from civitas.state.store import check_key

__all__ = ["MOST_CHANGES", "decode_value", "encode_changes", "encode_value"]

MOST_CHANGES = 4096
"""How many changes one `write` takes."""


def encode_value(value: Mapping[str, Any]) -> bytes:
    """Encode a value.

    Raises:
        PayloadError: It is not a dict, or something in it is not plain data.
    """
    if type(value) is not dict and not isinstance(value, Mapping):
        raise PayloadError(
            "state",
            f"a state must be a dict; got {type(value).__name__}. Put it under a key of one",
        )
    return encode(value, "state")


def encode_changes(changes: Mapping[str, Mapping[str, Any] | None]) -> dict[str, bytes | None]:
    """Encode what `write` was given.

    Raises:
        PayloadError: As for `encode_value`.
        StateStoreError: A key is not one, or there are too many.
    """
    if len(changes) > MOST_CHANGES:
        raise StateStoreError(
            f"write() makes up to {MOST_CHANGES:,} changes at once; got {len(changes):,}. Make them in parts"
        )
    return {
        check_key(key): None if value is None else encode_value(value)
        for key, value in changes.items()
    }


def decode_value(raw: bytes, key: str) -> dict[str, Any]:
    """Decode a value; each call makes a new copy.

    Raises:
        StateStoreError: It is damaged.
    """
    try:
        value = decode(raw)
    except Exception as error:
        raise StateStoreError(
            f"what is stored under {key!r} cannot be decoded ({type(error).__name__}: {error}); "
            "restore it from a backup, or delete the key to start afresh",
            key=key,
        ) from error
    if not isinstance(value, dict):
        raise StateStoreError(
            f"what is stored under {key!r} is of type {type(value).__name__}, not a state; delete the key",
            key=key,
        )
    return value
