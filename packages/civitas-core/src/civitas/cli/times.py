"""Moments and ages on a command line."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["age", "moment", "span"]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment(seconds: float) -> str:
    """A moment (Unix seconds) in the form of ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def age(seconds: float) -> str:
    """How long something takes or took, in its largest unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "now"


def span(seconds: float) -> str:
    """A time span as a person reads it: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit, longest, name in ((1, 120, "s"), (60, 7200, "min"), (3600, 172_800, "h")):
        if seconds < longest:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"
