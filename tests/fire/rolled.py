"""Agents of a system whose version is replaced under fire; its processes import them from here."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from civitas import AgentProcess, CivitasError, Message
from tests.fire.ledger import Ledger

__all__ = ["Clerk", "Pump"]


class Clerk(AgentProcess):
    """Does a few steps for each message, and writes down when each began and when its result was recorded."""

    def __init__(self, name: str, ledger: str, *, steps: int = 6, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.ledger = Ledger(ledger)
        self.steps = steps
        self.incarnation = f"{os.getpid()}.{time.monotonic_ns()}"

    async def handle(self, message: Message) -> Message:
        token, n = message.payload["token"], message.payload["n"]
        for number in range(self.steps):
            what = f"{token}/{number}"
            await self.step(str(number), self.do, what, message.attempt)
            self.ledger.moment("recorded", what, self.incarnation, time.monotonic())
        # Behind its steps: a version that passes a run on in the middle has not handled it.
        sender = message.payload["sender"]
        self.ledger.handled(token, self.name, self.incarnation, sender, n)
        return self.reply(n)

    async def do(self, what: str, attempt: int) -> int:
        """Takes a moment."""
        self.ledger.moment("began", what, f"{self.incarnation}-{attempt}", time.monotonic())
        await asyncio.sleep(0.05)
        return attempt


class Pump(AgentProcess):
    """Sends to others until there is a file `stop` beside the ledger; what is not taken is written down."""

    def __init__(self, name: str, ledger: str, *, to: list[str], **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.folder = Path(ledger)
        self.ledger = Ledger(ledger)
        self.to = to
        self.run_id = f"{name}-{os.getpid()}-{time.monotonic_ns() % 10**6}"

    async def on_start(self) -> None:
        self.tasks = [asyncio.create_task(self.pump(to)) for to in self.to]

    async def pump(self, to: str) -> None:
        """One after the other."""
        n = 0
        while not (self.folder / "stop").exists():
            token = f"{self.run_id}-{to.replace('/', '.')}-{n}"
            payload = {"token": token, "sender": self.run_id, "n": n}
            n += 1
            name, _, conversation = to.partition("/")
            try:
                await self.send(name, payload, timeout=60, conversation=conversation or "one")
            except CivitasError as error:
                self.ledger.failed(f"send {token} {type(error).__name__}: {error}")
            else:
                self.ledger.accepted(token)
            await asyncio.sleep(0.5 if conversation else 0.1)

    async def on_stop(self) -> None:
        for each in self.tasks:
            each.cancel()
