"""letitloop: a write-ahead log of its own for each run."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from letitloop import async_step, durable_async
from letitloop.adapters.langgraph import LetItLoopCheckpointSaver

from benchmarks.peers import frameworks, line, mortal

# It takes a file.
_PROGRAM = (
    "import sys; from benchmarks.peers.programs import letitloop; letitloop.work(*sys.argv[1:])"
)


async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    names = itertools.count()

    async def run(steps: int) -> None:
        # A folder for each: two runs in one folder take each other's steps for their own.
        name = f"run-{next(names)}"

        @durable_async(goal_id=name, wal_dir=str(folder / name))
        async def workflow() -> None:
            for number in range(steps):
                await async_step(f"step-{number}", step)

        await workflow()

    async def watched(name: str) -> None:
        # Its own watcher, which starts a program again that was killed.
        lil = str(Path(sys.executable).with_name("lil"))
        program = folder / "mortal.py"
        program.write_text(_PROGRAM)
        with (folder / "watch.log").open("a") as log:
            watcher = await asyncio.create_subprocess_exec(
                *(lil, "watch", "--backoff", "0", program, folder, name),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            )
            assert await watcher.wait() == 0

    saver = LetItLoopCheckpointSaver(db_path=str(folder / "graph.db"))
    graph = frameworks.graph(checkpointer=saver)

    async def graph_run(name: str) -> None:
        config = {"configurable": {"thread_id": name}, "recursion_limit": 1000}
        await graph.ainvoke({"done": 0, "text": ""}, config, durability="sync")

    yield line.durable(run) | {
        "graph-steps": frameworks.in_runs(graph_run, frameworks.GRAPH_STEPS),
        "recover": mortal.recover(folder, watched),
    }


async def _mortal_run(folder: str, name: str) -> None:
    @durable_async(goal_id=name, wal_dir=f"{folder}/mortal-{name}")
    async def workflow() -> None:
        for number in range(mortal.STEPS):
            await async_step(f"step-{number}", _mortal_step, folder, name, number)

    await workflow()


async def _mortal_step(folder: str, name: str, number: int) -> int:
    return mortal.step(folder, name, number)


def work(folder: str, name: str) -> None:
    """Make a run whose process is killed."""
    asyncio.run(_mortal_run(folder, name))


if __name__ == "__main__":
    line.main(_opened, "letitloop", "langgraph")
