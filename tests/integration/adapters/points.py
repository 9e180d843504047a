"""Points of a run where its process can be killed: the run writes down that it came there, and may wait."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from civitas import Runtime
from tests.integration.processes.system import killed, running, until

FOLDER = "CIVITAS_TEST_POINTS"


class Points:
    """What the test sees of them.

    Args:
        folder: Where they are written down; in the environment of the processes, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        os.environ[FOLDER] = str(folder)

    def hold(self, name: str) -> None:
        """The next run that comes to the point waits there, until it is killed."""
        (self.folder / f"hold-{name}").touch()

    def kill(self, name: str) -> None:
        """The first run that comes to the point kills its process there."""
        (self.folder / f"kill-{name}").touch()

    @property
    def passed(self) -> list[str]:
        """The points that runs came to, in order."""
        passed = self.folder / "passed"
        return passed.read_text().split() if passed.exists() else []

    async def kill_at(self, runtime: Runtime, agent: str, *names: str) -> None:
        """Wait until a run is at each of the points, and kill its process."""
        await until(lambda: set(names) <= set(self.passed), 60)
        for name in names:
            (self.folder / f"hold-{name}").unlink()
        await killed(runtime, agent)
        await running(runtime, 90)


def passed(name: str) -> Path | None:
    """The run is at a point; where to wait, if it is to."""
    folder = Path(os.environ[FOLDER])
    with (folder / "passed").open("a") as file:
        file.write(f"{name}\n")
    hold = folder / f"hold-{name}"
    return hold if hold.exists() else None


async def point(name: str) -> None:
    """A point of code that awaits."""
    if passed(name):
        await asyncio.Event().wait()


def blocking_point(name: str) -> None:
    """A point of code in a thread."""
    if passed(name):
        time.sleep(60)


def fatal_point(name: str) -> None:
    """A point at which the process kills itself, if it was told to, before it is passed."""
    told = Path(os.environ[FOLDER]) / f"kill-{name}"
    if told.exists():
        told.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    passed(name)


def result_of(number: int) -> str:
    """What a tool returns that looks up a number: 4 kB."""
    return "".join(random.Random(number).choices("abcdefgh ", k=4000))


def kept_in(folder: Path) -> int:
    """Bytes of all values in the state of `system`, beside the answers of runs, which are kept for a day."""
    select = "SELECT sum(length(value)) FROM civitas_state WHERE key NOT LIKE 'civitas:runs:%'"
    with closing(sqlite3.connect(folder / "civitas.db")) as connection:
        (kept,) = connection.execute(select).fetchone()
    return int(kept)


def system(folder: Path, *agents: dict[str, Any], **top: Any) -> dict[str, Any]:
    """A topology whose state is in a file, and whose agents come back without delay."""
    children = [{"agent": each} for each in agents]
    return {
        "state": {"type": "sqlite", "path": str(folder / "civitas.db")},
        "runtime": {"drain_timeout": 5},
        "supervision": {"name": "root", "backoff": "none", "children": children},
        **top,
    }
