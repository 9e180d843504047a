"""What the tests of the command line look at."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Running:
    """A `civitas run` of its own, whose lines are read as they come.

    Args:
        process: Started with faulthandler on.
        patience: Seconds after which what is waited for never comes: then it shows where it and its workers hang.
    """

    def __init__(self, process: asyncio.subprocess.Process, patience: float) -> None:
        self.process = process
        self.lines: list[str] = []
        self._patience = patience

    async def until(self, words: str) -> str:
        """Read stdout up to the line that holds `words`, and return that line."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(self._patience):
                while raw := await self.process.stdout.readline():
                    line = raw.decode().rstrip("\n")
                    self.lines.append(line)
                    if words in line:
                        return line
        except TimeoutError:
            self._abort()
        _, err = await self.process.communicate()
        pytest.fail(f"no line with {words!r}; out: {self.lines}; err: {err.decode()}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> Result:
        """Wait for its end."""
        ending = asyncio.ensure_future(self.process.communicate())
        if not (await asyncio.wait({ending}, timeout=self._patience))[0]:
            self._abort()
            out, err = await ending
            pytest.fail(f"it does not end; out: {self.lines} {out.decode()}; err: {err.decode()}")
        out, err = await ending
        code = self.process.returncode
        assert code is not None
        return Result(code, "\n".join([*self.lines, out.decode()]), err.decode())

    def _abort(self) -> None:
        """End it and its workers, each of which writes before that where its threads are."""
        workers = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = workers.read_text().split() if workers.exists() else []
        for pid in (*map(int, pids), self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)


class Terminal:
    """A command on a terminal of its own, whose screen is read as text, control sequences left out."""

    def __init__(self, process: asyncio.subprocess.Process, screen: int) -> None:
        self.process = process
        self._screen = screen
        self._raw = b""

    @property
    def text(self) -> str:
        return _text(self._raw)

    @classmethod
    async def start(cls, *arguments: str) -> Self:
        """Start `civitas ARGUMENTS...`."""
        screen, side = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "civitas.cli",
            *arguments,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=side,
            stdout=side,
            stderr=side,
        )
        os.close(side)
        return cls(process, screen)

    async def until(self, words: str) -> str:
        """Read up to `words`; returns what came since the last time."""
        read = b""
        while words not in _text(read):
            part = await asyncio.to_thread(self._read)
            self._raw += part
            read += part
            assert part, f"no {words!r} on the screen: {self.text!r}"
        return _text(read)

    @property
    def left_screen(self) -> bool:
        """Whether what was on the terminal before is there again, and the cursor is shown."""
        raw = self._raw
        return raw.rfind(b"\x1b[?1049l") > raw.rfind(b"\x1b[?1049h") and raw.rfind(
            b"\x1b[?25h"
        ) > raw.rfind(b"\x1b[?25l")

    def settings(self) -> list[object]:
        """What the terminal does with what is typed."""
        return termios.tcgetattr(self._screen)

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    async def end(self) -> int:
        """Read to the end; returns the exit code."""
        while part := await asyncio.to_thread(self._read):
            self._raw += part
        return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.end()
        os.close(self._screen)

    def _read(self) -> bytes:
        try:
            return os.read(self._screen, 65536)
        except OSError:  # the other side is closed
            return b""


def _text(raw: bytes) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw.decode(errors="replace"))
