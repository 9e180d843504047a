"""What of DBOS is killed: a process that makes runs. It imports no more than it needs, as it is waited for."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from dbos import DBOS

from benchmarks.peers import mortal

QUEUE = "mortal"
LOOK = 0.05
"""Seconds between two looks at the database; its default is 1."""


@DBOS.step()
async def mortal_step(folder: str, name: str, number: int) -> int:
    """A step in which the process may be killed."""
    return mortal.step(folder, name, number)


@DBOS.workflow()
async def mortal_run(folder: str, name: str) -> None:
    """A run whose process is killed."""
    for number in range(mortal.STEPS):
        await mortal_step(folder, name, number)


def launch(file: str) -> None:
    """Launch it over a file of SQLite."""
    config: Any = {"name": "peer", "system_database_url": file, "log_level": "ERROR"}
    DBOS(config={**config, "run_admin_server": False})
    DBOS.launch()


if __name__ == "__main__":
    launch(sys.argv[-2])
    DBOS.register_queue(QUEUE, polling_interval_sec=LOOK)
    Path(sys.argv[-1]).touch()
    threading.Event().wait()
