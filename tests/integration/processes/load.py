"""Senders in the root and in a process of their own that go on while others are killed, and what must come of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas import Message, Runtime
from tests.integration.processes.cast import send_a_few
from tests.integration.processes.system import agent, lines

__all__ = ["SENDERS", "assert_each_came_in_order", "send_during"]

SENDERS = [agent("s1", "v", "Sender"), agent("s2", "v", "Sender")]
"""Those in a process of their own."""


@dataclass(frozen=True)
class _From:
    """Sends from the root, all in one conversation or in none."""

    runtime: Runtime
    conversation: str | None

    async def send(self, to: str, payload: Any) -> None:
        await self.runtime.send(to, payload, conversation=self.conversation)

    async def ask(self, to: str, payload: Any) -> Message:
        return await self.runtime.ask(to, payload, conversation=self.conversation)


async def send_during(
    killing: Awaitable[None], runtime: Runtime, to: str, over: Path, *, conversations: bool = False
) -> dict[str, int]:
    """Let four senders send to `to` until `killing` is over, each in a conversation of its own if that is said.

    Args:
        over: The file that tells those in another process to stop.
    Returns:
        How many messages each sent.
    """
    sent: dict[str, int] = {}
    killed = asyncio.Event()

    async def send(name: str) -> None:
        n, via = 0, _From(runtime, name if conversations else None)
        while not killed.is_set():
            n = await send_a_few(via, name, to, n)
        sent[name] = n

    async def let_send(name: str) -> None:
        conversation = name if conversations else None
        order = {"to": to, "until": str(over)}
        reply = await runtime.ask(name, order, timeout=None, conversation=conversation)
        sent[name] = reply.payload

    async with asyncio.TaskGroup() as group:
        for name in ("r1", "r2"):
            group.create_task(send(name))
        for name in ("s1", "s2"):
            group.create_task(let_send(name))
        await killing
        killed.set()
        over.touch()  # noqa: ASYNC240
    return sent


def assert_each_came_in_order(heard: Path, sent: dict[str, int]) -> None:
    """Nothing is lost, and what came again came no later than it might."""
    first: dict[str, list[int]] = defaultdict(list)
    for line in lines(heard):
        name, n = line.split()
        if name in sent and int(n) not in first[name][-2000:]:
            first[name].append(int(n))
    assert {name: len(numbers) for name, numbers in first.items()} == sent
    for numbers in first.values():
        assert numbers == list(range(len(numbers)))
