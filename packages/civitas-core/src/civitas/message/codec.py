"""MessagePack with the payload rules of `civitas.message.payload`."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack

from civitas.errors import PayloadError
from civitas.message.large import LARGE, Buffer, pack_bytes
from civitas.message.payload import to_plain

__all__ = ["MAX_PAYLOAD", "decode", "encode"]

MAX_PAYLOAD = 64 * 1024 * 1024
"""Bytes of the largest payload, encoded; the same on every transport."""

# Making a packer takes three times as long as packing a small payload, so they are kept. Taking one out of the
# list and putting it back are atomic: threads, and a finalizer in the middle of a pack, get one each.
_packers: list[msgpack.Packer] = []
_KEEP_BELOW = 256 * 1024  # bytes: a packer holds on to the memory of the largest payload it met

# Extension types on the wire: never renumber, only add.
_DATETIME, _DATE, _TIME, _TIMEDELTA, _UUID, _DECIMAL, _SET, _FROZENSET = range(1, 9)


def encode(value: Any, path: str = "payload") -> bytes:
    """Encode `value` as MessagePack.

    Args:
        value: A payload, or a state.
        path: What to call `value` in an error.

    Raises:
        PayloadError: It cannot be sent (names the path), or is larger than `MAX_PAYLOAD`.
    """
    if type(value) is bytes and len(value) > LARGE:
        return _bounded(pack_bytes(value), path)
    try:
        packer = _packers.pop()
    except IndexError:
        packer = msgpack.Packer(strict_types=True)
    try:
        # Exact plain types only: what needs a rule takes the slower way below, and no tuple can hide in a key.
        raw: bytes = packer.pack(value)
    except (TypeError, ValueError, OverflowError):
        raw = msgpack.packb(to_plain(value, path), strict_types=True, default=_extension)
    if len(raw) < _KEEP_BELOW:
        _packers.append(packer)
        return raw
    return _bounded(raw, path)


def _bounded(raw: bytes, path: str) -> bytes:
    if len(raw) > MAX_PAYLOAD:
        raise PayloadError(
            path,
            f"{len(raw):,} bytes encoded, more than the {MAX_PAYLOAD:,} a message may carry; "
            "store it elsewhere and send a reference to it",
        )
    return raw


def decode(raw: Buffer) -> Any:
    """Decode what `encode` made; each call makes a new copy."""
    return msgpack.unpackb(raw, ext_hook=_from_extension, strict_map_key=False)


def _extension(value: Any) -> msgpack.ExtType:
    match value:
        case datetime():
            return msgpack.ExtType(_DATETIME, value.isoformat().encode())
        case date():
            return msgpack.ExtType(_DATE, value.isoformat().encode())
        case time():
            return msgpack.ExtType(_TIME, value.isoformat().encode())
        case timedelta():
            return msgpack.ExtType(
                _TIMEDELTA, msgpack.packb([value.days, value.seconds, value.microseconds])
            )
        case UUID():
            return msgpack.ExtType(_UUID, value.bytes)
        case Decimal():
            return msgpack.ExtType(_DECIMAL, str(value).encode())
        case set():
            return msgpack.ExtType(_SET, msgpack.packb(list(value), default=_extension))
        case frozenset():
            return msgpack.ExtType(_FROZENSET, msgpack.packb(list(value), default=_extension))
    raise TypeError(
        f"no extension type for {type(value).__name__}"
    )  # to_plain lets nothing else through


def _from_extension(code: int, data: bytes) -> Any:
    match code:
        case 1:
            return datetime.fromisoformat(data.decode())
        case 2:
            return date.fromisoformat(data.decode())
        case 3:
            return time.fromisoformat(data.decode())
        case 4:
            return timedelta(*msgpack.unpackb(data))
        case 5:
            return UUID(bytes=data)
        case 6:
            return Decimal(data.decode())
        case 7:
            return set(decode(data))
        case 8:
            return frozenset(decode(data))
    return msgpack.ExtType(code, data)  # from a newer peer: handed on as it came
