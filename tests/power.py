"""Power cuts: what a disk may have of the state file of a program that was writing it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.house.project import ROOT

__all__ = ["PowerCuts"]


class PowerCuts:
    """A program that writes a state file, and copies of the file from the middle of that.

    It tells a line on its output for each thing that was acknowledged to it, with the length of the file's log as the
    last word.

    Args:
        program: The program.
        file: The state file.
        chance: Says when the power is cut.
    """

    def __init__(
        self, program: asyncio.subprocess.Process, file: Path, chance: random.Random
    ) -> None:
        self.told: list[list[str]] = []
        """What it told, as words."""
        self._program = program
        self._file = file
        self._chance = chance

    @classmethod
    @asynccontextmanager
    async def of(
        cls, module: str, file: Path, chance: random.Random, *arguments: str
    ) -> AsyncIterator[PowerCuts]:
        """Those of a program, a module that takes the state file and other arguments; it is killed behind the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", module, str(file), *arguments),
            cwd=ROOT,
            # Where CrewAI keeps its own: a program that is stopped holds its locks.
            env={**os.environ, "XDG_DATA_HOME": str(file.parent)},
            stdout=subprocess.PIPE,
        )
        try:
            yield cls(process, file, chance)
        finally:
            process.kill()
            await process.wait()

    async def cut(self, most: int) -> AsyncIterator[Path]:
        """Let it tell up to `most` more, stop it in whatever it does, and copy the file as it may be on the disk."""
        until = len(self.told) + self._chance.randrange(most)
        while len(self.told) <= until:
            await self._hear()
        await asyncio.sleep(self._chance.random() / 200)
        self._program.send_signal(signal.SIGSTOP)
        while True:  # it is stopped when it tells nothing more
            try:
                async with asyncio.timeout(0.02):
                    await self._hear()
            except TimeoutError:
                break
        # What stands in the log behind all that was told may be on the disk in part.
        sure = max(int(words[-1]) for words in self.told)
        for part in (1.0, self._chance.random()):
            with self._copied(sure, part) as copy:
                yield copy
        self._program.send_signal(signal.SIGCONT)

    async def _hear(self) -> None:
        assert self._program.stdout is not None
        line = await self._program.stdout.readline()
        assert line, "the program ended"
        self.told.append(line.decode().split())

    @contextmanager
    def _copied(self, sure: int, part: float) -> Iterator[Path]:
        """A copy of the file and of its log: so much of that is there for sure, and a part of the rest."""
        file = self._file
        copy, log = file.with_name("copy.db"), file.with_name(f"{file.name}-wal").read_bytes()
        shutil.copy(file, copy)
        length = sure + round(part * max(0, len(log) - sure))
        copy.with_name(f"{copy.name}-wal").write_bytes(log[:length])
        yield copy
        for each in file.parent.glob(f"{copy.name}*"):
            each.unlink()
