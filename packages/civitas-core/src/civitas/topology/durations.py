"""A time in a topology: `30d`, `12h`, `90m`, `45s`, or seconds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from civitas.process.duration import DURATION, seconds_of

__all__ = ["Duration"]


def _seconds(value: Any) -> float:
    seconds = seconds_of(value)
    if seconds is not None:
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
                {"type": "string", "pattern": rf"^{DURATION.pattern}$"},
            ]
        }
    ),
]
"""Seconds, in the file a number of them or a text with a unit."""
