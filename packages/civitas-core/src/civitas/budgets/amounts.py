"""`Amounts`: a number of calls, tokens, dollars and seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
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

    def plus(self, other: Iterable[float]) -> Amounts:
        """The sum."""
        return Amounts(*(one + another for one, another in zip(self, other, strict=True)))

    def minus(self, other: Iterable[float]) -> Amounts:
        """The difference."""
        return Amounts(*(one - another for one, another in zip(self, other, strict=True)))

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
