"""What of Temporal is killed: a worker. It imports no more than it needs, as it is waited for."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from benchmarks.peers import mortal

QUEUE = "mortal"
_LONGEST = timedelta(seconds=10)


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


async def _work(address: str) -> None:
    client = await Client.connect(address)
    await Worker(client, task_queue=QUEUE, workflows=[MortalRun], activities=[mortal_step]).run()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[-1]))
