"""A contestant's end of the line: it reads a work and a size from its standard input, and answers with seconds as JSON.

Of the standard library alone, as it runs in the environments of others.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

__all__ = ["AGENTS", "PAYLOAD", "RUNS", "Open", "Work", "durable", "main", "simply"]

Work = Callable[[int], Awaitable[float]]
"""Does so many of a thing, and returns the seconds that it took, without what was prepared for it."""

Open = Callable[[Path], AbstractAsyncContextManager[Mapping[str, Work]]]
"""Opens what a contestant needs, which may keep files in a folder, and says which works it knows."""

PAYLOAD = {"n": 1, "text": "hello"}
AGENTS = 100
"""So many are asked at once."""
RUNS = 16
"""So many durable runs are under way at once."""
_STEPS, _EACH = 50, 8
"""Steps of a run that is alone, and of each of `RUNS` at once."""


def durable(run: Callable[[int], Awaitable[object]]) -> dict[str, Work]:
    """The works of a contestant that makes a durable run of so many steps."""

    async def steps(size: int) -> float:
        started = time.perf_counter()
        for _ in range(size // _STEPS):
            await run(_STEPS)
        return time.perf_counter() - started

    async def many_steps(size: int) -> float:
        started = time.perf_counter()
        for _ in range(size // (RUNS * _EACH)):
            await asyncio.gather(*(run(_EACH) for _ in range(RUNS)))
        return time.perf_counter() - started

    return {"steps": steps, "many-steps": many_steps}


def simply(works: Mapping[str, Work]) -> Open:
    """For a contestant that keeps nothing open between its works."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Mapping[str, Work]]:
        yield works

    return opened


def main(opened: Open, *packages: str, **others: str) -> None:
    """Serve the works until the standard input ends.

    Args:
        opened: What is served.
        packages: Installed packages whose versions are told.
        others: Versions of what is not a Python package.
    """
    versions = {each: version(each) for each in packages} | others
    # What a library prints must not get between the lines.
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    with told, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_serve(opened, Path(folder), versions, lambda what: print(what, file=told)))


async def _serve(
    opened: Open, folder: Path, versions: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    async with opened(folder) as works:
        python = f"{platform.python_implementation()} {platform.python_version()}"
        tell(json.dumps({"versions": {**versions, "python": python}}))
        # A thread waits for the next line, so that the loop stays free for what a contestant has running.
        while line := await asyncio.to_thread(sys.stdin.readline):
            work, size = line.split()
            try:
                seconds = await works[work](int(size))
            except Exception as error:
                traceback.print_exc()
                tell(json.dumps({"error": f"{type(error).__name__}: {error}"}))
            else:
                tell(json.dumps({"seconds": seconds}))
