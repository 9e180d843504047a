"""How a value is written: as a payload is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.errors import PayloadError, StateStoreError
from civitas.message import decode, encode

__all__ = ["decode_value", "encode_value"]


def encode_value(value: Mapping[str, Any]) -> bytes:
    """Encode a value.

    Raises:
        PayloadError: It is not a dict, or something in it is not plain data.
    """
    if type(value) is not dict and not isinstance(value, Mapping):
        raise PayloadError(
            "state", f"a state is a dict; got {type(value).__name__}. Put it under a key of one"
        )
    return encode(value, "state")


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
