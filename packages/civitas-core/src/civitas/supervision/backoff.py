"""How long to wait before a restart."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["BackoffPolicy", "delay"]


class BackoffPolicy(StrEnum):
    """How the wait grows with the restarts of a child within the window."""

    NONE = "none"
    """No wait."""
    CONSTANT = "constant"
    """`base` each time."""
    LINEAR = "linear"
    """`base`, twice, three times `base`."""
    EXPONENTIAL = "exponential"
    """`base`, twice, four times `base`, each with up to a quarter of jitter taken off."""


def delay(
    policy: BackoffPolicy, restarts: int, base: float, longest: float, chance: float
) -> float:
    """Seconds to wait before restart number `restarts`, counted from 1.

    Args:
        policy: How the wait grows.
        restarts: How many restarts of this child fall into the window, this one included.
        base: Seconds.
        longest: Seconds that no wait exceeds.
        chance: A random number from 0 to 1, for the jitter.
    """
    match policy:
        case BackoffPolicy.NONE:
            return 0.0
        case BackoffPolicy.CONSTANT:
            return min(base, longest)
        case BackoffPolicy.LINEAR:
            return min(base * restarts, longest)
        case BackoffPolicy.EXPONENTIAL:
            # The exponent is bounded because 2.0 ** 1024 overflows.
            wait = min(base * 2.0 ** min(restarts - 1, 64), longest)
            return wait * (1 - chance / 4)
