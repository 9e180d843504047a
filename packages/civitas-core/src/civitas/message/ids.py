"""Message ids: UUID version 7 (RFC 9562), as strings."""

from __future__ import annotations

import itertools
import os
import time

__all__ = ["new_id"]

# The low 62 bits count up from a random start, so that ids made in one millisecond sort in the order
# they were made; `next` on a count is atomic, so threads need no lock.
_VARIANT = 0b10 << 62
_tail = itertools.count(_VARIANT | int.from_bytes(os.urandom(8), "big") >> 3).__next__
_millisecond = 0
_prefix = ""


def new_id() -> str:
    """Make a UUIDv7; ids of one process sort by the time they were made."""
    global _millisecond, _prefix
    now = time.time_ns() // 1_000_000
    if now > _millisecond:  # a clock that was set back keeps the old millisecond, and so the order
        _millisecond = now
        head = f"{now:012x}"
        _prefix = f"{head[:8]}-{head[8:]}-7{int.from_bytes(os.urandom(2), 'big') & 0xFFF:03x}-"
    tail = f"{_tail():016x}"
    return f"{_prefix}{tail[:4]}-{tail[4:]}"
