"""DBOS over SQLite."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSClient
from dbos_openai_agents import DBOSRunner

from benchmarks.peers import frameworks, line, mortal
from benchmarks.peers.programs import dbos_worker

_READY = 60.0


@DBOS.step()
async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@DBOS.workflow()
async def run(steps: int) -> None:
    """A run of so many steps."""
    for _ in range(steps):
        await step()


@DBOS.step()
async def look(number: int) -> str:
    """Look up a number."""
    return f"number {number}"


_AGENT = frameworks.agent(look)


@DBOS.workflow()
async def agent_run(name: str) -> str:
    """A run of the agent."""
    result = await DBOSRunner.run(_AGENT, "Look.", max_turns=1000)
    return str(result.final_output)


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    # Runs that are killed have a database of their own: another process makes and recovers them.
    apart, ready = f"sqlite:///{folder}/mortal.db", folder / "ready"

    async def ask(name: str) -> None:
        client = DBOSClient(system_database_url=apart)
        options: Any = {
            "queue_name": dbos_worker.QUEUE,
            "workflow_name": dbos_worker.mortal_run.__qualname__,
        }
        handle: Any = await client.enqueue_async(options, str(folder), name)
        await handle.get_result(polling_interval_sec=dbos_worker.LOOK)
        client.destroy()

    async def recover(size: int) -> float:
        """From `kill -9` until the answer of the run."""
        command = [sys.executable, "-m", dbos_worker.__name__, apart, ready]
        until = time.monotonic() + _READY
        async with mortal.kept_up(command, folder / "worker.log", os.environ):
            while not ready.exists():
                if time.monotonic() > until:
                    raise TimeoutError(f"the worker was not ready within {_READY:g} s")
                await asyncio.sleep(dbos_worker.LOOK)
            return await mortal.recover(folder, ask)(size)

    dbos_worker.launch(f"sqlite:///{folder}/dbos.db")
    try:
        yield line.durable(run) | {
            "recover": recover,
            "tool-calls": frameworks.in_runs(agent_run, frameworks.TOOL_CALLS),
        }
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    line.main(_opened, "dbos", "dbos-openai-agents", "openai-agents")
