"""Makes durable steps with DBOS, in an environment that has it; its arguments: a file, how many runs and steps."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib.metadata import version

from dbos import DBOS


@DBOS.step()
async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@DBOS.workflow()
async def run(steps: int) -> None:
    """A run of so many steps."""
    for _ in range(steps):
        await step()


async def main(file: str, runs: int, steps: int) -> None:
    """Print the version, and the steps a second of all runs together."""
    config = {"name": "steps", "system_database_url": f"sqlite:///{file}", "log_level": "ERROR"}
    DBOS(config={**config, "run_admin_server": False})
    DBOS.launch()
    await run(2)  # it prepares what it needs
    started = time.perf_counter()
    await asyncio.gather(*(run(steps) for _ in range(runs)))
    print(version("dbos"), runs * steps / (time.perf_counter() - started))
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
