"""Message ids: UUID version 7 (RFC 9562), as strings."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

__all__ = ["new_id"]

# An id is a head and one of 256 tails. A head begins with the millisecond, ends with a number that counts up from a
# random start, and is random between; so ids of one process sort in the order they were made. Putting the two together
# takes half as long as writing out each id, which was a seventh of a `send`; and `next` on a map is atomic, so threads
# need a lock for a new head only.
_TAILS = tuple(f"{number:02x}" for number in range(256))
_lock = threading.Lock()
_next: Callable[[], str] = iter(()).__next__
_good_until = 0.0
_next_millisecond = 0
_middle = ""
_number = 0


def new_id(now: float | None = None) -> str:
    """Make a UUIDv7; ids of one process sort by the time they were made.

    Args:
        now: Unix seconds, from a caller who has just looked.
    """
    global _good_until, _middle, _next, _next_millisecond, _number
    if now is None:
        now = time.time()
    while True:
        if now < _good_until:
            try:
                return _next()
            except StopIteration:
                pass
        with _lock:  # another head, of a millisecond that begins or of this one
            if now >= _good_until:
                # A clock that was set back keeps the old millisecond, and so the order.
                millisecond = max(int(now * 1000), _next_millisecond)
                when = f"{millisecond:012x}"
                random = int.from_bytes(os.urandom(8), "big")
                version, variant = 0x7000 | random & 0xFFF, 0x8000 | random >> 12 & 0x3FFF
                _middle = f"{when[:8]}-{when[8:]}-{version:04x}-{variant:04x}-"
                _number = random >> 29  # 35 bits of the 40, so that it never runs over
                _next_millisecond = millisecond + 1
                _good_until = _next_millisecond / 1000
            _number += 1
            _next = map(f"{_middle}{_number:010x}".__add__, _TAILS).__next__
