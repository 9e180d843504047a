"""Measures contestants side by side: one after the other, round after round, so that all meet the same machine."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = [
    "PAYLOAD",
    "Benchmark",
    "Measurement",
    "Result",
    "Target",
    "at_least",
    "at_most",
    "at_most_beside",
    "in_loop",
    "now",
    "run",
    "use_processor_time",
    "uses_processor_time",
]

PAYLOAD = {"n": 1, "text": "hello"}

Measurement = Callable[[], float]
"""Measures once and returns the figure, in the unit of its benchmark."""


_clock = time.perf_counter


def now() -> float:
    """Seconds on the clock, or of processor time, as `use_processor_time` says."""
    return _clock()


def use_processor_time() -> None:
    """Let `now` leave out the time in which other programs had the processor."""
    global _clock
    _clock = time.process_time


def uses_processor_time() -> bool:
    """Whether `use_processor_time` was called."""
    return _clock is time.process_time


@dataclass(frozen=True)
class Target:
    """What Civitas must reach: its figure, the limit's, and the ratio of the two."""

    text: str
    reached: Callable[[float, float, float], bool]


def at_most(most: float, of: str = "") -> Target:
    """At most that many times the limit; or, with a unit, at most that much."""
    if of:
        return Target(f"≤ {most:g} {of}", lambda ours, limit, ratio: ours <= most)
    return Target(f"≤ {most:g} x", lambda ours, limit, ratio: ratio <= most)


def at_least(least: float) -> Target:
    """At least that many times the limit."""
    return Target(f"≥ {least:g} x", lambda ours, limit, ratio: ratio >= least)


def at_most_beside(more: float, unit: str) -> Target:
    """At most that much more than the limit."""
    return Target(f"≤ limit + {more:g} {unit}", lambda ours, limit, ratio: ours <= limit + more)


@dataclass(frozen=True)
class Benchmark:
    """One thing to measure.

    Attributes:
        title: What is measured, in a few words.
        unit: What the figures are, such as µs.
        contestants: By name. `limit` is the least code that can do it, `civitas` is measured against that, the others
            stand beside them.
        target: What `civitas` must reach.
    """

    title: str
    unit: str
    contestants: Mapping[str, Measurement]
    target: Target


@dataclass(frozen=True)
class Result:
    """The figures of all rounds, by contestant."""

    benchmark: Benchmark
    figures: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """The median figure of a contestant."""
        return median(self.figures[name])

    def ratios(self, name: str) -> list[float]:
        """A contestant's figure over the limit's, of each round."""
        pairs = zip(self.figures[name], self.figures["limit"], strict=True)
        return [figure / limit for figure, limit in pairs]

    @property
    def reached(self) -> bool:
        """Whether Civitas reached its target; the ratio that counts is the median of the rounds' ratios."""
        ratio = median(self.ratios("civitas"))
        return self.benchmark.target.reached(self.median("civitas"), self.median("limit"), ratio)


def run(benchmark: Benchmark, rounds: int) -> Result:
    """Measure all contestants in turn, `rounds` times, after one round to warm up."""
    # What the measuring itself keeps alive is nobody's to collect; the collector stays on, as it is for users.
    gc.collect()
    gc.freeze()
    figures: dict[str, list[float]] = {name: [] for name in benchmark.contestants}
    for number in range(rounds + 1):
        for name, measure in benchmark.contestants.items():
            gc.collect()
            figure = measure()
            if number:
                figures[name].append(figure)
    gc.unfreeze()
    return Result(benchmark, figures)


def in_loop(measure: Callable[[], Awaitable[float]]) -> Measurement:
    """A measurement in an event loop of its own."""

    async def once() -> float:
        return await measure()

    return lambda: asyncio.run(once())
