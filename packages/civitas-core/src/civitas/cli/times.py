"""Moments and ages on a command line."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["age", "moment"]

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
