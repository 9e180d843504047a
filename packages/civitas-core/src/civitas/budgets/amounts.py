"""`Amounts`: a number of calls, tokens, dollars and seconds."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["NO_LIMIT", "Amounts"]

NO_LIMIT = math.inf


class Amounts(NamedTuple):
    """An amount of each of the four things that a budget counts.

    Attributes:
        calls: Calls of models.
        tokens: Tokens that models read and wrote.
        usd: US dollars.
        seconds: Seconds in handlers.
    """

    calls: float = 0
    tokens: float = 0
    usd: float = 0.0
    seconds: float = 0.0

    # Written out, as each call of a model comes by here several times.

    def plus(self, other: Amounts) -> Amounts:
        """The sum."""
        return Amounts(
            self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3]
        )

    def minus(self, other: Amounts) -> Amounts:
        """The difference."""
        return Amounts(
            self[0] - other[0], self[1] - other[1], self[2] - other[2], self[3] - other[3]
        )

    def lacks(self, want: Amounts) -> str:
        """The first thing that there is less of than `want`; empty if there is enough of all."""
        for name, here, wanted in zip(self._fields, self, want, strict=True):
            if here < wanted:
                return name
        return ""

    def finite(self) -> dict[str, float]:
        """Those that have a limit, by their names."""
        return {
            name: value for name, value in zip(self._fields, self, strict=True) if value != NO_LIMIT
        }
