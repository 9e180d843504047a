"""From a crash to the answer of the next incarnation."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from benchmarks.agents import Fragile
from benchmarks.harness import PAYLOAD, Benchmark, at_most, in_loop, now
from civitas import HandlerFailed, Runtime, Supervisor

__all__ = ["RESTART"]

_CRASHES = 500


async def _bare() -> float:
    """A task that raises, and a callback that starts another one with a queue of its own."""
    loop = asyncio.get_running_loop()
    running: list[tuple[asyncio.Queue[Any], asyncio.Task[None]]] = []
    back = asyncio.Event()

    async def serve(queue: asyncio.Queue[Any]) -> None:
        while True:
            answer, payload = await queue.get()
            if payload is None:
                answer.set_exception(RuntimeError("it crashed"))
                raise ValueError("as told")
            answer.set_result(payload)

    def start() -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.create_task(serve(queue))
        task.add_done_callback(again)
        running[:] = [(queue, task)]
        back.set()

    def again(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            start()

    async def ask(payload: Any) -> None:
        answer = loop.create_future()
        running[0][0].put_nowait((answer, payload))
        await answer

    start()
    started = now()
    for _ in range(_CRASHES):
        back.clear()
        with suppress(RuntimeError):
            await ask(None)
        await back.wait()
        await ask(PAYLOAD)
    elapsed = now() - started
    running[0][1].cancel()
    return elapsed / _CRASHES * 1e6


async def _civitas() -> float:
    tree = Supervisor("root", children=[Fragile("f")], backoff="NONE", max_restarts=_CRASHES + 1)
    async with Runtime(tree) as runtime:
        started = now()
        for _ in range(_CRASHES):
            with suppress(HandlerFailed):
                await runtime.ask("f", PAYLOAD, "crash")
            await runtime.ask("f", PAYLOAD)
        return (now() - started) / _CRASHES * 1e6


RESTART = Benchmark(
    "crash until the next answer",
    "µs",
    {"limit": in_loop(_bare), "civitas": in_loop(_civitas)},
    at_most(60, "µs"),
)
