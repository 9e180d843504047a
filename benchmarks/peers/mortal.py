"""A durable run whose process is killed in one of its steps. Of the standard library alone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["STEPS", "kept_up", "recover", "step"]

STEPS = 10
_KILLED = 5
_ENDS = 3
"""A worker is killed in a step; one that ends otherwise so often in a row will not do its work."""


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


@asynccontextmanager
async def kept_up(
    command: Sequence[str | Path], log: Path, variables: Mapping[str, str]
) -> AsyncIterator[None]:
    """Run a worker, and again as soon as it is killed, as a process manager does that waits for nothing.

    Raises:
        RuntimeError: It ended by itself, time after time; what is done with it meanwhile is cancelled.
    """
    try:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(_keep(command, log, variables))
            yield
            keeper.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _keep(command: Sequence[str | Path], log: Path, variables: Mapping[str, str]) -> None:
    ends, code = 0, None
    while ends < _ENDS:
        with log.open("a") as said:
            running = await asyncio.create_subprocess_exec(
                *command, stdout=said, stderr=said, env=variables
            )
        try:
            code = await running.wait()
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
        ends = 0 if code == -signal.SIGKILL else ends + 1
    raise RuntimeError(f"the worker ended by itself {ends} times, now with {code}: {_last(log)}")


def _last(log: Path) -> str:
    return "".join(log.read_text().strip().splitlines()[-1:])
