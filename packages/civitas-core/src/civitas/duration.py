"""A time as people write it: `30d`, `12h`, `90m`, `45s`, or seconds."""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["DURATION", "seconds_of"]

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw])?\s*")
"""A number and its unit, which is seconds by default."""


def seconds_of(value: object, *, below: float = 1e9) -> float | None:
    """The seconds that `value` stands for: a number, a text with a unit, a `timedelta`.

    Args:
        value: What somebody gave.
        below: The shortest time that is too long; a little more than 10,000 days by default.

    Returns:
        None if it is not a time above 0 and below that.
    """
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        seconds = float(found[1]) * _SECONDS[found[2] or "s"]
    elif isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        return None
    return seconds if 0 < seconds < below else None
