"""Others in several OS processes: each has its share of the conversations and a file of its own, and is told the turns.

What tells them writes a line to a pipe for each turn, which is less than the web server would take that stands there
otherwise; no process waits for another one's writes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from zlib import crc32

from benchmarks.talks.parts import Talk, Talking

__all__ = ["apart"]


def apart(framework: str, who: str, count: int) -> Talk:
    """The contestant `who` in so many processes."""

    @asynccontextmanager
    async def talk(folder: Path, at_once: int) -> AsyncIterator[Talking]:
        async with AsyncExitStack() as stack:
            each = []
            for number in range(count):
                own = folder / str(number)
                own.mkdir()
                each.append(await stack.enter_async_context(_process(framework, who, own)))

            async def turn(conversation: str, said: str) -> None:
                await each[crc32(conversation.encode()) % count].turn(conversation, said)

            yield Talking(turn, processes=lambda: [one.pid for one in each])

    return talk


class _Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._count = 0
        self.pid = process.pid

    async def turn(self, conversation: str, said: str) -> None:
        assert self._process.stdin is not None
        self._count += 1
        waiting = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps([self._count, conversation, said]).encode() + b"\n")
        await waiting

    async def read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._waiting.pop(int(line)).set_result(None)
        for each in self._waiting.values():
            each.set_exception(RuntimeError("a process ended early; what it said stands above"))


@asynccontextmanager
async def _process(framework: str, who: str, folder: Path) -> AsyncIterator[_Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.talks", framework, who, str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    one = _Process(process)
    reading = asyncio.create_task(one.read())
    try:
        yield one
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading
