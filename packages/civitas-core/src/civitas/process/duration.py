"""A time as people write it: `30d`, `12h`, `90m`, `45s`, or seconds."""

from __future__ import annotations

import re
from datetime import timedelta

__all__ = ["DURATION", "seconds_of"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
"""A time with its unit."""


def seconds_of(value: object) -> float | None:
    """The seconds that `value` stands for: a number, a text with a unit, a `timedelta`.

    Returns:
        None if it is not a time above 0 and of up to 10,000 days.
    """
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        seconds = float(found[1]) * _SECONDS[found[2]]
    elif isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        return None
    return seconds if 0 < seconds < 1e9 else None
