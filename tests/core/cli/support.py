"""What the tests of the command line look at."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Running:
    """A `civitas run` of its own, whose lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, words: str) -> str:
        """Read stdout up to the line that holds `words`, and return that line."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            line = raw.decode().rstrip("\n")
            self.lines.append(line)
            if words in line:
                return line
        _, err = await self.process.communicate()
        pytest.fail(f"no line with {words!r}; out: {self.lines}; err: {err.decode()}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> Result:
        """Wait for its end."""
        out, err = await self.process.communicate()
        code = self.process.returncode
        assert code is not None
        return Result(code, "\n".join([*self.lines, out.decode()]), err.decode())
