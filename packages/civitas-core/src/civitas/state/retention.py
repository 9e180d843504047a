"""`Retention`: what of conversations is kept, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Retention"]


@dataclass(frozen=True, slots=True)
class Retention:
    """What of conversations is kept; by default all, for ever.

    Attributes:
        keep: Seconds after which a conversation that nobody uses is dropped; None for never.
        longest: How many messages a conversation keeps, the newest; None for all.
    """

    keep: float | None = None
    longest: int | None = None
