"""From any value to what JSON has a form for, to be read by people."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["json_form"]


def json_form(value: Any) -> Any:
    """`value` as JSON can hold it; what JSON has no form for is text that people can read."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return {_key(key): json_form(item) for key, item in value.items()}
        case list() | tuple():
            return [json_form(item) for item in value]
        case set() | frozenset():
            # In order, so that the same set is shown the same way twice.
            items = [json_form(item) for item in value]
            try:
                return sorted(items)
            except TypeError:
                return sorted(items, key=json.dumps)
        case bytes():
            return _text(value)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat is not None else str(value)


def _key(key: Any) -> Any:
    """Keys of JSON are text; `json` writes numbers, true, false and null as such by itself."""
    readable = json_form(key)
    return readable if isinstance(readable, (str, int, float, bool)) or key is None else str(key)


def _text(raw: bytes) -> str:
    """Bytes as the text they most likely are, otherwise in hexadecimal digits."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"
    return text if text.isprintable() else f"0x{raw.hex()}"
