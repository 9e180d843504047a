"""Payloads in JSON: what it has no form for is tagged.

What JSON has no form for is an object with one key, ``$civitas``, which names the form, and ``value``: bytes, a
datetime, a map whose keys are not all text. A dict of a user that has that very key is written as such a map.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["tag", "untag"]

_TAG = "$civitas"


def tag(value: Any) -> Any:
    """From plain data to what JSON can hold."""
    match value:
        case dict():
            if all(type(key) is str for key in value) and _TAG not in value:
                return {key: tag(item) for key, item in value.items()}
            return {_TAG: "map", "value": [[tag(key), tag(item)] for key, item in value.items()]}
        case list():
            return [tag(item) for item in value]
        case set() | frozenset():
            return {_TAG: type(value).__name__, "value": [tag(item) for item in value]}
        case bytes():
            return {_TAG: "bytes", "value": base64.b64encode(value).decode()}
        case datetime() | date() | time():
            kind = next(kind for kind in (datetime, date, time) if isinstance(value, kind))
            return {_TAG: kind.__name__, "value": value.isoformat()}
        case timedelta():
            return {_TAG: "timedelta", "value": [value.days, value.seconds, value.microseconds]}
        case UUID() | Decimal():
            return {_TAG: type(value).__name__, "value": str(value)}
    return value


def untag(value: Any) -> Any:
    """From what JSON can hold back to plain data."""
    match value:
        case {"$civitas": str(kind), "value": inner} if kind in _FORMS:
            return _FORMS[kind](inner)
        case dict():
            # Also a form of a newer peer: it is handed on as it came.
            return {key: untag(item) for key, item in value.items()}
        case list():
            return [untag(item) for item in value]
    return value


_FORMS: dict[str, Callable[[Any], Any]] = {
    "map": lambda pairs: {untag(key): untag(item) for key, item in pairs},
    "set": lambda items: {untag(item) for item in items},
    "frozenset": lambda items: frozenset(untag(item) for item in items),
    "bytes": base64.b64decode,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "UUID": UUID,
    "Decimal": Decimal,
}
