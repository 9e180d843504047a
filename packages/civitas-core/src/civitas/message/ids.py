"""Message ids: UUID version 7 (RFC 9562), as strings."""

from __future__ import annotations

import itertools
import os
import time

__all__ = ["new_id"]

# An id is a head that is made once a millisecond, half time and half random, and a tail of 48 bits that counts up
# from a random start, so that ids of one millisecond sort in the order they were made. `next` on a count is
# atomic, so threads need no lock.
_count = itertools.count(int.from_bytes(os.urandom(6), "big") >> 1).__next__
_head = ""
_good_until = 0.0
_next_millisecond = 0


def new_id(now: float | None = None) -> str:
    """Make a UUIDv7; ids of one process sort by the time they were made.

    Args:
        now: Unix seconds, from a caller who has just looked.
    """
    if now is None:
        now = time.time()
    if now >= _good_until:  # a clock that was set back keeps the old millisecond, and so the order
        _new_head(now)
    return f"{_head}{_count():012x}"


def _new_head(now: float) -> None:
    global _head, _good_until, _next_millisecond
    millisecond = max(int(now * 1000), _next_millisecond)
    _next_millisecond = millisecond + 1
    when = f"{millisecond:012x}"
    random = int.from_bytes(os.urandom(4), "big")
    version, variant = 0x7000 | random & 0xFFF, 0x8000 | random >> 18
    _head = f"{when[:8]}-{when[8:]}-{version:04x}-{variant:04x}-"
    _good_until = _next_millisecond / 1000
