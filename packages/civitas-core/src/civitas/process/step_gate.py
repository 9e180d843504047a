"""`StepGate`: where handlers wait between two steps while another version of the program is about to take over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["StepGate"]


class StepGate:
    """Lets every step begin; once it is shut, none.

    A handler that waits at it can be cancelled without loss: what it did is recorded, and it is doing nothing else.
    """

    def __init__(self) -> None:
        self._shut = False
        self._waiting: Counter[str] = Counter()
        self._at_work: Counter[str] = Counter()

    @property
    def is_shut(self) -> bool:
        """Whether no step may begin."""
        return self._shut

    def shut(self) -> None:
        """Let no further step begin."""
        self._shut = True

    def open(self) -> None:
        """Let steps begin again: of a system that is started once more."""
        self._shut = False

    async def enter(self, agent: str) -> None:
        """Come to the beginning of a step of an agent, and wait there for good if it is shut."""
        if not self._shut:
            return
        self._waiting[agent] += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._waiting[agent] -= 1

    @contextmanager
    def at_work(self, agent: str) -> Iterator[None]:
        """While a step of an agent is under way, until its result is recorded."""
        self._at_work[agent] += 1
        try:
            yield
        finally:
            self._at_work[agent] -= 1

    def stands_at(self, agent: str, asks: int) -> bool:
        """Whether an agent waits at it, or for others, and does nothing else.

        Args:
            agent: Its name.
            asks: How many answers of other agents its handler waits for; steps may be what waits for them.
        """
        waits = self._waiting[agent] > 0 or asks > 0
        return waits and self._at_work[agent] <= asks
