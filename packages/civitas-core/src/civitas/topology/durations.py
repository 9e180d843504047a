"""A time as people write it: `30d`, `12h`, `90m`, `45s`, or seconds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

__all__ = ["Duration"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def _seconds(value: Any) -> float:
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        seconds = float(found[1]) * _SECONDS[found[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        seconds = 0.0
    if 0 < seconds < 1e9:
        return seconds
    text = f"must be a time, such as 30d, 12h, 90m or 45 (seconds), of up to 10,000 days; got {value!r}"
    raise PydanticCustomError("word", "{text}", {"text": text})


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^{_TIME.pattern}$"},
            ]
        }
    ),
]
"""Seconds, in the file a number of them or a text with a unit."""
