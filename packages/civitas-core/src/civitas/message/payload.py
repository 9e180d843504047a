"""What may be sent, and what arrives.

A payload is what MessagePack holds: None, bool, int (64 bits), float, str, bytes, list, and dict with plain keys.
Beside that, datetime, date, time, timedelta, UUID, Decimal, set and frozenset arrive as what they are; a tuple
arrives as a list, an Enum as its value, a dataclass and a pydantic model as a dict, and a subclass of a
plain type as that type. Everything else is a `PayloadError` at the sender.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from civitas.errors import PayloadError

__all__ = ["MAX_DEPTH", "check_text", "to_plain"]

# MessagePack's decoder has a limit of its own a little above this one.
MAX_DEPTH = 400

_EXACT = frozenset({type(None), bool, float, bytes, datetime, date, time, timedelta, UUID, Decimal})
_KEYS = (str, int, float, bool, bytes, type(None))
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def to_plain(value: Any, path: str = "payload") -> Any:
    """Copy `value` into plain data by the rules of this module.

    Args:
        value: Anything.
        path: What to call `value` in an error.

    Raises:
        PayloadError: Something in it cannot be sent; names the path to it.
    """
    return _plain(value, path, 0)


def _plain(value: Any, path: str, depth: int) -> Any:
    kind = type(value)
    if kind in _EXACT:
        return value
    if isinstance(value, Enum):
        return _plain(value.value, path, depth)
    if isinstance(value, str):
        return check_text(value, path)
    if isinstance(value, int):
        return _integer(value, path)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if depth >= MAX_DEPTH:
        raise PayloadError(
            f"{path[:60]}...", f"nested more than {MAX_DEPTH} deep, or contains itself"
        )
    if isinstance(value, Mapping):
        return {
            _key(key, path): _plain(item, _step(path, key), depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        members = [_plain(item, f"{path}{{{item!r}}}", depth + 1) for item in value]
        for original, member in zip(value, members, strict=True):
            if isinstance(member, (list, dict)):
                kind = type(original)
                raise PayloadError(path, f"a set cannot carry {kind.__name__}; send a list")
        return frozenset(members) if isinstance(value, frozenset) else set(members)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name), f"{path}.{field.name}", depth + 1)
            for field in dataclasses.fields(value)
        }
    # Pydantic is recognised by its method, so that nobody pays for importing it.
    dump = getattr(value, "model_dump", None)
    if callable(dump) and hasattr(kind, "model_fields"):
        return _plain(dump(), path, depth + 1)
    if isinstance(value, (datetime, date, time, timedelta, UUID, Decimal)):
        return value  # a subclass of one of these, such as pandas.Timestamp: arrives as its base
    raise PayloadError(
        path,
        f"{kind.__name__} cannot be sent; send plain data (dict, list, str, int, float, bool, None, bytes)",
    )


def check_text(value: str, path: str) -> str:
    """`value` as plain text; `PayloadError` where it holds half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PayloadError(path, "text with a lone surrogate cannot be encoded as UTF-8") from None
    return value if type(value) is str else str.__str__(value)


def _integer(value: int, path: str) -> int:
    if not _SMALLEST <= value <= _LARGEST:
        raise PayloadError(path, "an int of more than 64 bits cannot be sent; send it as text")
    return int(value)


def _key(key: Any, path: str) -> Any:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, UUID):
        return key
    if not isinstance(key, _KEYS):
        raise PayloadError(
            path,
            f"the key {key!r} is of type {type(key).__name__}; keys are text, numbers or bytes",
        )
    if isinstance(key, str):
        return check_text(key, _step(path, key))
    if isinstance(key, int) and not isinstance(key, bool):
        return _integer(key, _step(path, key))
    return key


def _step(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"
