"""The earlier package named civitas."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.peers import line
from civitas import AgentProcess, Message, Runtime, Supervisor


class Echo(AgentProcess):
    """Answers, counts, or crashes."""

    count = 0

    async def handle(self, message: Message) -> Message | None:
        """Answer or crash."""
        if message.payload.get("crash"):
            raise ValueError("as told")
        self.count += 1
        return self.reply(message.payload)


@asynccontextmanager
async def _running(count: int, restarts: int = 3) -> AsyncIterator[Any]:
    children: list[Any] = [Echo(f"e{number}") for number in range(count)]
    tree = Supervisor(
        "root", children=children, max_restarts=restarts, backoff="CONSTANT", backoff_base=0.0
    )
    runtime = Runtime(supervisor=tree)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def ask(size: int) -> float:
    """One ask after another."""
    async with _running(1) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.ask("e0", line.PAYLOAD)
        return time.perf_counter() - started


async def send(size: int) -> float:
    """Sends, until all are handled."""
    async with _running(1) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.send("e0", line.PAYLOAD)
        await runtime.ask("e0", line.PAYLOAD)
        return time.perf_counter() - started


async def crowd(size: int) -> float:
    """A hundred asks at once, each of an agent of its own."""
    async with _running(line.AGENTS) as runtime:
        started = time.perf_counter()
        for _ in range(size // line.AGENTS):
            await asyncio.gather(*(runtime.ask(f"e{n}", line.PAYLOAD) for n in range(line.AGENTS)))
        return time.perf_counter() - started


async def start(size: int) -> float:
    """Agents, until each has answered."""
    started = time.perf_counter()
    async with _running(size) as runtime:
        await asyncio.gather(*(runtime.ask(f"e{n}", line.PAYLOAD) for n in range(size)))
        return time.perf_counter() - started


async def restart(size: int) -> float:
    """From a crash to the answer of the next one."""
    async with _running(1, size + 1) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.send("e0", {"crash": True})
            await runtime.ask("e0", line.PAYLOAD)
        return time.perf_counter() - started


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # the crashes are on purpose
    works = {each.__name__: each for each in (ask, send, crowd, start, restart)}
    line.main(line.simply(works), "civitas", "msgpack")
