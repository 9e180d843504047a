"""A durable run whose process is killed in one of its steps. Of the standard library alone."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["STEPS", "kept_up", "recover", "step"]

STEPS = 10
_KILLED = 5


def step(folder: str, run: str, number: int) -> int:
    """One of `STEPS`; the first time that the run comes to the one in the middle, its process is killed in it."""
    mark = _mark(folder, run)
    if number == _KILLED and not mark.exists():
        mark.write_text(repr(time.monotonic()))
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def recover(
    folder: Path, run: Callable[[str], Awaitable[object]]
) -> Callable[[int], Awaitable[float]]:
    """The work: from the kill until whoever asked for the run has its answer."""

    async def work(size: int) -> float:
        seconds = 0.0
        for _ in range(size):
            name = uuid4().hex
            await run(name)
            # Every process of a machine reads the same monotonic clock.
            seconds += time.monotonic() - float(_mark(folder, name).read_text())
        return seconds

    return work


def _mark(folder: str | Path, run: str) -> Path:
    return Path(folder) / f"killed-{run}"


@contextmanager
def kept_up(
    command: Sequence[str | Path], log: Path, variables: Mapping[str, str]
) -> Iterator[None]:
    """Run a command, and again as soon as it ends, as a process manager does that waits for nothing."""
    over = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        while not over.is_set():
            with log.open("a") as said:
                running[:] = [subprocess.Popen(command, stdout=said, stderr=said, env=variables)]
            running[0].wait()

    keeper = threading.Thread(target=start)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        while keeper.is_alive():
            for each in running:
                each.kill()
            keeper.join(0.05)
