"""Agents for the tests of faults; the workers import them from here."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from civitas import AgentProcess, CivitasError, Message
from tests.fire.cast import Relay as FireRelay
from tests.fire.cast import Sink as FireSink
from tests.fire.ledger import Ledger

__all__ = ["Fails", "Pump", "Relay", "Sink", "Ticker", "Walker", "overlaps"]


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


class Ticker(AgentProcess):
    """Does something all the time, whoever can be reached, and writes down when."""

    def __init__(self, name: str, ledger: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.ledger = Ledger(ledger)
        self.incarnation = f"{name}-{os.getpid()}-{time.monotonic_ns()}"

    async def on_start(self) -> None:
        self.ticking = asyncio.create_task(self.tick())

    async def tick(self) -> None:
        """Begin and end something, again and again."""
        while True:
            self.ledger.moment("began", self.name, self.incarnation, time.monotonic())
            await asyncio.sleep(0.02)
            self.ledger.moment("ended", self.name, self.incarnation, time.monotonic())

    async def on_stop(self) -> None:
        self.ticking.cancel()


class Pump(AgentProcess):
    """Sends to others and asks them, one after the other, until there is a file `stop` beside the ledger."""

    def __init__(self, name: str, ledger: str, *, to: list[str], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.folder = Path(ledger)
        self.ledger = Ledger(ledger)
        self.to = to
        self.run_id = f"{name}-{os.getpid()}"

    async def on_start(self) -> None:
        self.tasks = [asyncio.create_task(self.pump(to)) for to in self.to]

    async def pump(self, to: str) -> None:
        """Three sends and an ask, again and again; what is not taken or answered is written down."""
        n = 0
        while not (self.folder / "stop").exists():
            for how in ("send", "send", "send", "ask"):
                token = f"{self.run_id}-{to}-{n}"
                payload = {"token": token, "sender": self.run_id, "n": n}
                n += 1
                try:
                    if how == "send":
                        await self.send(to, payload, timeout=60)
                    else:
                        await self.ask(to, payload, timeout=60)
                except CivitasError as error:
                    self.ledger.failed(f"{how} {token} {type(error).__name__}: {error}")
                else:
                    self.ledger.accepted(token)
            await asyncio.sleep(0.02)

    async def on_stop(self) -> None:
        for each in self.tasks:
            each.cancel()


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


class Fails(AgentProcess):
    """An agent of a version that is broken: it raises, or ends its process, when it starts."""

    def __init__(self, name: str, *, how: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.how = how

    async def on_start(self) -> None:
        if self.how == "leads":
            os._exit(1)
        raise RuntimeError("this version is broken")


class Walker(AgentProcess):
    """Notes each of its steps in a ledger."""

    def __init__(self, name: str, ledger: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.ledger = Path(ledger)

    async def handle(self, message: Message) -> Message:
        """Walk ten steps."""
        for number in range(10):
            await self.step(str(number), self.walk, message.payload, message.id, number)
        return self.reply("done")

    async def walk(self, who: str, run: str, number: int) -> None:
        """Walk one."""
        with self.ledger.open("a") as ledger:
            ledger.write(f"{who} {run} {number}\n")
        await asyncio.sleep(0.05)
