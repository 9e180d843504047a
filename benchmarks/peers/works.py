"""What every contestant is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WORKS", "Work"]


@dataclass(frozen=True)
class Work:
    """Something to measure.

    Attributes:
        title: What it is, in a few words.
        unit: Of the figures: µs or ms for each, or /s.
        first: How many are done to find out how many make a round.
        most: The most in a round.
        steps: A round is a multiple of that many.
        fixed: A round is `first`, however long that takes.
    """

    title: str
    unit: str
    first: int
    most: int
    steps: int = 1
    fixed: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether the greater figure is the better one."""
        return self.unit.endswith("/s")

    def figure(self, seconds: float, size: int) -> float:
        """Of `size` that took so long, in the unit."""
        each = {"µs": 1e6, "ms": 1e3, "s": 1.0}
        if self.unit in each:
            return seconds / size * each[self.unit]
        return size / seconds

    def size(self, size: int, seconds: float, wanted: float) -> int:
        """How many take as long as is wanted, where `size` of them took so many seconds."""
        whole = int(size * wanted / seconds) // self.steps * self.steps
        return min(max(whole, self.steps), self.most)


_CROWD = 100

WORKS = {
    "ask": Work("ask in one process, one after another", "µs", 200, 50_000),
    "send": Work("send in one process, until handled", "/s", 2_000, 300_000),
    "crowd": Work("100 asks at once, of 100 agents", "/s", 2 * _CROWD, 100_000, _CROWD),
    "start": Work("actors started, until each has answered", "/s", 4, 2_000),
    "restart": Work("crash until the next answer", "µs", 20, 5_000),
    "far-ask": Work("ask of an agent in another OS process", "µs", 100, 20_000),
    "far-send": Work("send to an agent in another OS process, until handled", "/s", 500, 50_000),
    "kill": Work("kill -9 of an agent's process until its next answer", "s", 1, 1, fixed=True),
    "steps": Work("durable steps, in runs of 50, one after another", "/s", 50, 10_000, 50),
    "many-steps": Work("durable steps, in 16 runs of 8 at once", "/s", 16 * 8, 25_600, 16 * 8),
    "graph-steps": Work("steps of durable LangGraph runs of 50", "/s", 50, 5_000, 50),
    "tool-calls": Work("tool calls of durable OpenAI SDK runs of 20", "/s", 20, 2_000, 20),
    "recover": Work("kill -9 in a durable run until its answer", "s", 1, 1, fixed=True),
}
