"""The least code that can do the job: bare asyncio, msgpack for the copy, raw sqlite3."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack

PAYLOAD = {"n": 1, "text": "hello"}


def copied(value: Any) -> Any:
    """A copy by way of the wire format."""
    return msgpack.unpackb(msgpack.packb(value))


@asynccontextmanager
async def echoes(count: int) -> AsyncIterator[list[asyncio.Queue[Any]]]:
    """Tasks that answer what stands in their queue."""
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in range(count)]

    async def serve(queue: asyncio.Queue[Any]) -> None:
        while True:
            answer, payload = await queue.get()
            if answer is not None:
                answer.set_result(payload)

    tasks = [asyncio.create_task(serve(queue)) for queue in queues]
    try:
        yield queues
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ask(rounds: int = 5000) -> float:
    """Microseconds of one ask after another."""
    loop = asyncio.get_running_loop()
    async with echoes(1) as (queue,):
        started = time.perf_counter()
        for _ in range(rounds):
            answer = loop.create_future()
            queue.put_nowait((answer, PAYLOAD))
            await answer
        return (time.perf_counter() - started) / rounds * 1e6


async def send(count: int = 20_000) -> float:
    """Thousands of sends a second until handled, the payload copied once."""
    done = asyncio.Event()
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def serve() -> None:
        for _ in range(count):
            await queue.get()
        done.set()

    task = asyncio.create_task(serve())
    started = time.perf_counter()
    for number in range(count):
        queue.put_nowait(copied(PAYLOAD))
        if number % 500 == 0:
            await asyncio.sleep(0)
    await done.wait()
    await task
    return count / (time.perf_counter() - started) / 1e3


async def crowd(agents: int = 1000, askers: int = 100, rounds: int = 100) -> float:
    """Thousands of asks a second over many queues, the payload copied on both legs."""
    loop = asyncio.get_running_loop()
    async with echoes(agents) as queues:

        async def ask_around(first: int) -> None:
            for number in range(rounds):
                answer = loop.create_future()
                queues[(first + number) % agents].put_nowait((answer, copied(PAYLOAD)))
                copied(await answer)

        started = time.perf_counter()
        await asyncio.gather(*(ask_around(number * 10) for number in range(askers)))
        return askers * rounds / (time.perf_counter() - started) / 1e3


async def restart(rounds: int = 300) -> float:
    """Microseconds from a crash to the answer of the next task."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def serve() -> None:
        while True:
            answer, crash = await queue.get()
            if crash:
                raise ValueError("as told")
            answer.set_result(None)

    def again(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            start()

    running: list[asyncio.Task[None]] = []

    def start() -> None:
        running[:] = [asyncio.create_task(serve())]
        running[0].add_done_callback(again)

    start()
    started = time.perf_counter()
    for _ in range(rounds):
        queue.put_nowait((None, True))
        answer = loop.create_future()
        queue.put_nowait((answer, False))
        await answer
    elapsed = time.perf_counter() - started
    running[0].cancel()
    return elapsed / rounds * 1e6


async def idle_memory(count: int = 2000) -> float:
    """KiB of one idle task with a queue."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    async with echoes(count):
        await asyncio.sleep(0)
        used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / count / 1024


async def start_many(count: int = 10_000) -> float:
    """Seconds to start them."""
    started = time.perf_counter()
    async with echoes(count):
        await asyncio.sleep(0)
        return time.perf_counter() - started


async def checkpoint(rounds: int = 200) -> float:
    """Durable commits a second, one after another."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)")
        started = time.perf_counter()
        for number in range(rounds):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?)", ("a", msgpack.packb({"n": number}))
            )
            connection.execute("COMMIT")
        elapsed = time.perf_counter() - started
        connection.close()
        return rounds / elapsed
