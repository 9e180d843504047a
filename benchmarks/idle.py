"""What an idle agent costs: memory, and the time to start many.

Each figure comes from a Python process of its own, as memory that was given back stays with the process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Measurement, at_most, uses_processor_time

__all__ = ["MEMORY", "RESIDENT", "START"]

_COUNT = 10_000


async def _bare() -> None:
    async def serve(queue: asyncio.Queue[Any]) -> None:
        while True:
            await queue.get()

    tasks = [asyncio.create_task(serve(asyncio.Queue())) for _ in range(_COUNT)]
    await asyncio.sleep(0)
    _note()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _civitas() -> None:
    from benchmarks.agents import echoes
    from civitas import Runtime

    async with Runtime(echoes(1)):  # what is loaded on first use is not an agent's
        pass
    _begin()
    async with Runtime(echoes(_COUNT)):
        _note()


_WHAT = {"limit": _bare, "civitas": _civitas}
_METERS: dict[str, Callable[[], float]] = {
    "seconds": time.perf_counter,
    "processor": time.process_time,
    "traced": lambda: tracemalloc.get_traced_memory()[0] / _COUNT / 1024,
    "resident": lambda: _resident() / _COUNT / 1024,
}
_began = 0.0


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _begin() -> None:
    global _began
    gc.collect()
    _began = _METERS[sys.argv[2]]()


def _note() -> None:
    meter = _METERS[sys.argv[2]]
    print(meter() - _began, flush=True)


def _child(name: str, meter: str) -> Measurement:
    def measure() -> float:
        timed = "processor" if meter == "seconds" and uses_processor_time() else meter
        command = [sys.executable, "-m", "benchmarks.idle", name, timed]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)

    return measure


def _contestants(meter: str) -> dict[str, Measurement]:
    return {name: _child(name, meter) for name in _WHAT}


MEMORY = Benchmark(
    "an idle agent, memory allocated", "KiB", _contestants("traced"), at_most(3.5, "KiB")
)
RESIDENT = Benchmark(
    "an idle agent, resident memory", "KiB", _contestants("resident"), at_most(7, "KiB")
)
START = Benchmark("10,000 agents started", "s", _contestants("seconds"), at_most(0.8, "s"))

if __name__ == "__main__":
    if sys.argv[2] == "traced":
        tracemalloc.start()
    _begin()
    asyncio.run(_WHAT[sys.argv[1]]())
