"""Counts that no other load changes: calls of Civitas's own code, and blocks of memory."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.agents import Fragile, Saver, Sink, echoes
from benchmarks.calls import count, counted
from benchmarks.harness import PAYLOAD
from civitas import HandlerFailed, Runtime, SQLiteStateStore, Supervisor

__all__ = ["counts"]

_TIMES = 100
_AGENTS = 1000


async def counts() -> dict[str, float]:
    """Everything that is counted, by what it is."""
    return {
        "calls of an ask": await _asks(),
        "calls of a send, until handled": await _sends(),
        "calls of a crash, until the next answer": await _crashes(),
        "calls of a durable step, on the event loop": await _steps(),
        **{
            f"calls of {what} in another process, at the root": calls.total
            for what, calls in (await count()).items()
        },
        "blocks of memory of an idle agent": await _blocks(),
        "modules that `import civitas` loads": _modules(),
    }


async def _asks() -> float:
    async with Runtime(echoes(1)) as runtime:

        async def ask() -> None:
            for _ in range(_TIMES):
                await runtime.ask("e0", PAYLOAD)

        return (await counted(ask)).total / _TIMES


async def _sends() -> float:
    done = asyncio.Event()
    sink = Sink("sink", _TIMES, done)
    async with Runtime(Supervisor("root", children=[sink])) as runtime:

        async def send() -> None:
            for _ in range(_TIMES):
                await runtime.send("sink", PAYLOAD)
            await done.wait()

        async def again() -> None:
            done.clear()
            sink.left = _TIMES

        return (await counted(send, before=again)).total / _TIMES


async def _crashes() -> float:
    tree = Supervisor("root", children=[Fragile("f")], backoff="NONE", max_restarts=10**6)
    async with Runtime(tree) as runtime:

        async def crash() -> None:
            for _ in range(_TIMES):
                with suppress(HandlerFailed):
                    await runtime.ask("f", PAYLOAD, "crash")
                await runtime.ask("f", PAYLOAD)

        return (await counted(crash)).total / _TIMES


async def _steps() -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStateStore(Path(folder) / "steps.db")
        saver = Saver("s", delivery="durable")
        try:
            async with Runtime(Supervisor("root", children=[saver]), state_store=store) as runtime:

                async def steps() -> None:
                    await runtime.ask("s", _TIMES, "steps", timeout=None)

                return (await counted(steps)).total / _TIMES
        finally:
            await store.close()


async def _blocks() -> float:
    async def more(agents: int) -> int:
        async with Runtime(echoes(agents)):
            gc.collect()
            return sys.getallocatedblocks()

    await more(1)
    few = await more(1)
    return (await more(_AGENTS + 1) - few) / _AGENTS


def _modules() -> float:
    code = "import sys; before = len(sys.modules); import civitas; print(len(sys.modules) - before)"
    told: Any = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return int(told.stdout)
