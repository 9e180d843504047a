"""Agents and trees that several modules of tests here use."""

from __future__ import annotations

import asyncio
from typing import Any

from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, DynamicSupervisor, Supervisor
from tests.core.support import Actor, Journal


class Spawner(AgentProcess):
    """Spawns and ends actors as it is told."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__(name)
        self.journal = journal

    async def handle(self, message: Message) -> Message:
        name, options = message.payload
        if message.type == "terminate":
            return self.reply(await self.terminate(name))
        return self.reply(await self.spawn(Actor, name, self.journal, **options))


def dynamic(journal: Journal, **keywords: Any) -> Runtime:
    sessions = DynamicSupervisor("sessions", backoff="none", **keywords)
    children: list[ChildSpec] = [Spawner("spawner", journal), sessions]
    return Runtime(Supervisor("root", children, backoff="none"), drain_timeout=5)


class Fused(Actor):
    """Crashes on `boom` when all that share its fuse may."""

    def __init__(self, name: str, journal: Journal, fuse: asyncio.Event, **keywords: Any) -> None:
        super().__init__(name, journal, **keywords)
        self.fuse = fuse

    async def handle(self, message: Message) -> Message | None:
        if message.type == "boom":
            self.journal.write(f"ready {self.name}")
            await self.fuse.wait()
            raise ValueError(f"{self.name} crashes")
        return await super().handle(message)


def waiting(backoff: float = 60, **keywords: Any) -> dict[str, Any]:
    """Of a supervisor that waits `backoff` seconds before each restart."""
    return {"backoff": "constant", "backoff_base": backoff, **keywords}
