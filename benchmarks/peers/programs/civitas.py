"""Civitas, this version."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.agents import Echo, Fragile, Saver, Sink, echoes
from benchmarks.peers import line
from civitas import HandlerFailed, Runtime, SQLiteStateStore, Supervisor


async def ask(size: int) -> float:
    """One ask after another."""
    async with Runtime(echoes(1)) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.ask("e0", line.PAYLOAD)
        return time.perf_counter() - started


async def send(size: int) -> float:
    """Sends, until all are handled."""
    done = asyncio.Event()
    async with Runtime(Supervisor("root", children=[Sink("sink", size, done)])) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            await runtime.send("sink", line.PAYLOAD)
        await done.wait()
        return time.perf_counter() - started


async def crowd(size: int) -> float:
    """A hundred asks at once, each to an agent of its own."""
    async with Runtime(echoes(line.AGENTS)) as runtime:
        started = time.perf_counter()
        for _ in range(size // line.AGENTS):
            await asyncio.gather(*(runtime.ask(f"e{n}", line.PAYLOAD) for n in range(line.AGENTS)))
        return time.perf_counter() - started


async def restart(size: int) -> float:
    """From a crash to the answer of the next incarnation."""
    tree = Supervisor("root", children=[Fragile("f")], backoff="NONE", max_restarts=size + 1)
    async with Runtime(tree) as runtime:
        started = time.perf_counter()
        for _ in range(size):
            with suppress(HandlerFailed):
                await runtime.ask("f", line.PAYLOAD, "crash")
            await runtime.ask("f", line.PAYLOAD)
        return time.perf_counter() - started


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    agent = {"name": "far", "type": f"{Echo.__module__}.Echo", "process": "worker"}
    there: Any = {"name": "far", "supervision": {"children": [{"agent": agent}]}}

    async def far_ask(size: int) -> float:
        """One ask after another, of an agent in another OS process."""
        async with Runtime.from_config(there) as runtime:
            await runtime.ask("far", line.PAYLOAD)
            started = time.perf_counter()
            for _ in range(size):
                await runtime.ask("far", line.PAYLOAD)
            return time.perf_counter() - started

    async def durably(work: str, size: int) -> float:
        store = SQLiteStateStore(folder / "civitas.db")
        pool = [Saver(f"s{n}", delivery="durable") for n in range(line.RUNS)]
        free = [each.name for each in pool]

        async def run(steps: int) -> None:
            name = free.pop()
            await runtime.ask(name, steps, "steps", timeout=None)
            free.append(name)

        try:
            async with Runtime(Supervisor("root", children=pool), state_store=store) as runtime:
                return await line.durable(run)[work](size)
        finally:
            await store.close()

    works = {"ask": ask, "send": send, "crowd": crowd, "restart": restart, "far-ask": far_ask}
    yield works | {each: partial(durably, each) for each in ("steps", "many-steps")}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # the crashes are on purpose
    line.main(_opened, "civitas-core", "msgpack", "pyzmq")
