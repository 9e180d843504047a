"""A contestant in its OS processes, and the processor time that all of them took."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import uuid4

__all__ = ["Contestant", "Failed", "Spent"]

_MARK = "CIVITAS_CONTESTANT"
"""What a contestant starts inherits this variable; its value finds all its processes, whoever started them."""
_TICKS = os.sysconf("SC_CLK_TCK")
_END = 10.0
"""Seconds that a contestant gets to end by itself."""
_LONGEST = 180.0
"""Seconds until an answer: more than any deadline within a contestant, whose text tells more."""


def _fields(process: Path) -> list[str]:
    """What `stat` says of a process, behind its name."""
    return (process / "stat").read_text().rpartition(") ")[2].split()


class Failed(Exception):
    """A contestant could not do what it was asked for; the text says why."""


class Spent(NamedTuple):
    """What a work took.

    Attributes:
        seconds: By the contestant's clock.
        processor: Seconds of processor time, of all its processes and those that they started.
    """

    seconds: float
    processor: float


class Contestant:
    """A program that does one work after the other.

    Args:
        command: How it is started.
        log: Where it writes what it has to say.
        variables: Of its environment, beside ours.
        longest: Seconds that it gets for an answer.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        variables: dict[str, str],
        longest: float = _LONGEST,
    ) -> None:
        self._log = log
        self._longest = longest
        self._unread = b""
        self._mark = uuid4().hex
        with log.open("a") as said:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env=os.environ | variables | {_MARK: self._mark},
            )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def do(self, work: str, size: int) -> Spent:
        """Have it do a work, and return what that took."""
        assert self._process.stdin is not None
        before = self._processor()
        with suppress(BrokenPipeError):  # why it is gone is said when there is no answer
            self._process.stdin.write(f"{work} {size}\n".encode())
            self._process.stdin.flush()
        seconds = self._answer()["seconds"]
        return Spent(seconds, self._processor() - before)

    def close(self) -> None:
        """End it, with all that it started."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END)
        self._kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _kill(self) -> None:
        while left := list(self._processes()):
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)
            self._process.poll()  # one that nobody waits for stays in the list
            time.sleep(0.01)

    def _line(self) -> bytes:
        """The next line that it writes."""
        assert self._process.stdout is not None
        until = time.monotonic() + self._longest
        while b"\n" not in self._unread:
            if not select.select([self._process.stdout], [], [], max(0, until - time.monotonic()))[
                0
            ]:
                self._kill()  # it would keep the processor from the others
                raise Failed(f"it gave no answer within {self._longest:g} s")
            read = os.read(self._process.stdout.fileno(), 1 << 16)
            if not read:
                said = self._log.read_text().strip().splitlines()[-1:]
                raise Failed(f"it ended: {''.join(said)}")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _answer(self) -> dict[str, Any]:
        line = self._line()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(str(answer["error"]))
        return answer

    def _processes(self) -> Iterator[Path]:
        """The folders below `/proc` of the processes that run for it."""
        mark = f"{_MARK}={self._mark}".encode()
        above: dict[str, str] = {}
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it is gone, or is not ours to look at
                above[process.name] = _fields(process)[1]
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.add(process.name)
        # One that writes its title over its variables is known by who started it.
        while more := {child for child, parent in above.items() if parent in found} - found:
            found |= more
        return map(Path("/proc").joinpath, found)

    def _processor(self) -> float:
        """Seconds that its processes took so far, with those that they have waited for."""
        ticks = 0
        for process in self._processes():
            with suppress(OSError):
                ticks += sum(map(int, _fields(process)[11:15]))
        return ticks / _TICKS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
