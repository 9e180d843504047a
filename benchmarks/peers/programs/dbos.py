"""DBOS over SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS

from benchmarks.peers import line


@DBOS.step()
async def step() -> dict[str, int]:
    """What a step of the benchmark does."""
    return {"n": 1}


@DBOS.workflow()
async def run(steps: int) -> None:
    """A run of so many steps."""
    for _ in range(steps):
        await step()


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    file = f"sqlite:///{folder}/dbos.db"
    config: Any = {"name": "peer", "system_database_url": file, "log_level": "ERROR"}
    DBOS(config={**config, "run_admin_server": False})
    DBOS.launch()
    try:
        yield line.durable(run)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    line.main(_opened, "dbos")
