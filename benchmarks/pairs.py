"""Measures in pairs: the limit, then ours, again and again, so that both meet the same machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

__all__ = ["Case", "Result", "measure"]

Measurement = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        name: What is measured, in a few words.
        unit: What the figures are, such as µs.
        limit: The least code that can do it.
        ours: Civitas doing it.
        reach: What the figure must reach, in words.
        reached: Whether it did, from the limit's figure and ours.
    """

    name: str
    unit: str
    limit: Measurement
    ours: Measurement
    reach: str
    reached: Callable[[float, float], bool]


@dataclass(frozen=True)
class Result:
    """Medians over all pairs; the ratio is the median of the pairs' ratios."""

    case: Case
    limit: float
    ours: float
    ratio: float

    @property
    def reached(self) -> bool:
        """Whether the case reached what it must."""
        return self.case.reached(self.limit, self.ours)


def measure(case: Case, pairs: int) -> Result:
    """Measure a case `pairs` times, each in an event loop of its own, after one pair to warm up."""
    found = []
    for number in range(pairs + 1):
        pair = asyncio.run(_once(case.limit)), asyncio.run(_once(case.ours))
        if number:
            found.append(pair)
    return Result(
        case,
        median(limit for limit, _ in found),
        median(ours for _, ours in found),
        median(ours / limit for limit, ours in found),
    )


async def _once(measurement: Measurement) -> float:
    return await measurement()
