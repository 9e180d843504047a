"""A tool of the runtime, and what each adapter must make of it."""

from __future__ import annotations

import civitas

__all__ = ["double"]


@civitas.tool
async def double(number: int) -> int:
    """Double a number."""
    if number < 0:
        raise ValueError("it is below 0")
    return 2 * number
