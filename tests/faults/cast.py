"""Agents for the tests of faults; the workers import them from here."""

from __future__ import annotations

import os
import time
from typing import Any

from civitas import Message
from tests.fire.cast import Relay as FireRelay
from tests.fire.cast import Sink as FireSink

__all__ = ["Relay", "Sink", "overlaps"]


class _Timed:
    """Writes down when each handler began and ended, for whoever looks for two at once."""

    name: str
    ledger: Any
    incarnation: str

    async def handle(self, message: Message) -> Message | None:
        self.ledger.moment("began", self.name, self.incarnation, time.monotonic())
        reply: Message | None = await super().handle(message)  # type: ignore[misc]
        self.ledger.moment("ended", self.name, self.incarnation, time.monotonic())
        return reply


class Sink(_Timed, FireSink):
    """Writes down what it hears, and answers with its number."""

    async def handle(self, message: Message) -> Message | None:
        if message.type == "where":
            return self.reply(os.getpid())
        return await super().handle(message)


class Relay(_Timed, FireRelay):
    """Sends or asks on what it hears."""


def overlaps(moments: list[list[str]]) -> list[str]:
    """Where an incarnation still handled something when the next one of its agent had begun to.

    Args:
        moments: `began` or `ended`, the agent, its incarnation, and the second.
    """
    found, current, over = [], {}, set()
    for _, agent, incarnation, second in sorted(moments, key=lambda each: float(each[3])):
        now = current.get(agent)
        if now is not None and now != incarnation:
            over.add((agent, now))
        if (agent, incarnation) in over:
            found.append(f"{agent} {incarnation} at {second}, when {now} was there")
        current[agent] = incarnation
    return found
