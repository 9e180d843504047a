"""letitloop: a write-ahead log of its own for each run."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from letitloop import async_step, durable_async

from benchmarks.peers import line


async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    names = itertools.count()

    async def run(steps: int) -> None:
        @durable_async(goal_id=f"run-{next(names)}", wal_dir=str(folder / "wal"))
        async def workflow() -> None:
            for number in range(steps):
                await async_step(f"step-{number}", step)

        await workflow()

    yield line.durable(run)


if __name__ == "__main__":
    line.main(_opened, "letitloop")
