"""What tests of replicas ask each of them."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.integration.wire.conftest import System

__all__ = ["both", "held", "journal", "let_go"]


async def journal(system: System, name: str) -> list[Any]:
    """What the replica `name` wrote down."""
    entries: list[Any] = await system.tell(f"keep-{name[-1]}", "journal", name)
    return entries


async def both(system: System, name: str) -> list[list[Any]]:
    return [await journal(system, f"{name}-{n}") for n in (1, 2)]


async def held(system: System, name: str, asking: Any) -> tuple[asyncio.Task[Any], str]:
    """Let one replica hold, and return the ask and which one does."""
    before = [entries.count("hold") for entries in await both(system, name)]
    task = asyncio.ensure_future(asking)
    async with asyncio.timeout(10):
        while True:
            now = [entries.count("hold") for entries in await both(system, name)]
            if now != before:
                return task, f"{name}-{1 if now[0] > before[0] else 2}"


async def let_go(system: System, replica: str, gate: str) -> None:
    await system.tell(f"keep-{replica[-1]}", "open", gate)
