"""An OS process that this one starts, watches and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from civitas.errors import ConfigurationError

__all__ = ["Exit", "OsProcess", "ProcessOptions"]

_LINES = 20
"""How many of its last lines are kept to explain an end."""
_LONGEST_LINE = 64 * 1024
_OUTPUT_AFTER_END = 1.0
"""Seconds to read on after its end; a grandchild may hold the pipe for ever."""
_HANG = re.compile(r"^Timeout \((\d+):(\d\d):(\d\d)(\.\d+)?\)!$")
"""How faulthandler, the watchdog of the other side, begins."""


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """How to start a process.

    Attributes:
        python: An interpreter, or the folder of a virtual environment; None for that of this process.
        env: Added to the inherited environment.
        cwd: Its working directory; None for that of this process.
        start_timeout: Seconds until it must be ready; None for no limit.
        hang_timeout: Seconds that its event loop may be stuck; None for no limit.
        start: Whether the root starts it; otherwise somebody else does.
    """

    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    start_timeout: float | None = 30.0
    hang_timeout: float | None = 30.0
    start: bool = True

    def interpreter(self, name: str) -> str:
        """The interpreter to run.

        Raises:
            ConfigurationError: There is none.
        """
        if self.python is None:
            return sys.executable
        given = Path(self.python)
        found = given / "bin" / "python" if given.is_dir() else given
        if not os.access(found, os.X_OK) or not found.is_file():
            raise ConfigurationError(
                f"process {name!r}: python: {self.python!r} is no interpreter and no virtual environment "
                f"({found} cannot be run)"
            )
        return str(found)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.

    Attributes:
        code: Its exit status; None where a signal ended it.
        signal: The name of that signal.
        hung: Whether its event loop was stuck, and it ended itself for that.
        last_lines: What it wrote last.
    """

    code: int | None
    signal: str | None
    hung: bool
    last_lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What happened, to go behind the name of the process."""
        if self.hung:
            return "ended itself: its event loop was stuck for longer than hang_timeout (the log has the stack)"
        if self.signal is not None:
            return f"was killed by {self.signal}"
        return f"exited with status {self.code}"


def _to_console(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class OsProcess:
    """A process that this one starts, watches and ends.

    It is a new program, never a fork of this one: threads and locks do not survive a fork. It has a session of its own,
    so that Ctrl-C in a terminal reaches this process alone, which then ends the others in order.

    Args:
        name: For its lines and for errors.
        options: How to start it.
        module: What to run, as `python -m` does.
        on_line: Gets each line that it writes, with its name in front; the console by default.
    """

    def __init__(
        self,
        name: str,
        options: ProcessOptions,
        *,
        module: str = "civitas.worker",
        on_line: Callable[[str], None] = _to_console,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self._options = options
        self._module = module
        self._on_line = on_line
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._ended: asyncio.Task[Exit] | None = None
        self._last: deque[str] = deque(maxlen=_LINES)
        self._hung = False

    async def start(self, boot: Mapping[str, Any]) -> None:
        """Start it.

        Args:
            boot: What it is told, as plain data. It goes through a pipe, as it may hold secrets, and that pipe stays
                open: its end tells the process that this one is gone.

        Raises:
            ConfigurationError: Its interpreter or working directory is not there.
        """
        options = self._options
        interpreter = options.interpreter(self.name)
        if options.cwd is not None and not os.path.isdir(options.cwd):  # noqa: PTH112, ASYNC240
            raise ConfigurationError(
                f"process {self.name!r}: cwd: there is no folder {options.cwd!r}"
            )
        self._process = process = await asyncio.create_subprocess_exec(
            interpreter,
            "-m",
            self._module,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=options.cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **options.env},
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        self.pid = process.pid
        raw = msgpack.packb(dict(boot))
        assert process.stdin is not None
        process.stdin.write(len(raw).to_bytes(4, "big") + raw)
        self._output = asyncio.create_task(self._read())
        self._ended = asyncio.create_task(self._wait())

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """End it at once (SIGKILL); does nothing where it has ended."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def let_go(self) -> None:
        """Close the pipe: it ends by itself."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def end(self, timeout: float) -> Exit:
        """Let it end by itself, and kill it when it has not after `timeout` seconds."""
        self.let_go()
        assert self._ended is not None
        await asyncio.wait({self._ended}, timeout=timeout)
        if not self._ended.done():
            self.kill()
        return await self.wait()

    async def _wait(self) -> Exit:
        process, output = self._process, self._output
        assert process is not None
        assert output is not None
        code = await process.wait()
        await asyncio.wait({output}, timeout=_OUTPUT_AFTER_END)
        output.cancel()
        await asyncio.wait({output})
        self.let_go()
        process._transport.close()  # type: ignore[attr-defined]  # a grandchild may hold its pipes
        if code >= 0:
            return Exit(code, None, self._hung, tuple(self._last))
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Exit(None, name, False, tuple(self._last))

    async def _read(self) -> None:
        assert self._process is not None
        stream = self._process.stdout
        assert stream is not None
        while True:
            try:
                raw = await stream.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    self._line(error.partial)
                return
            except asyncio.LimitOverrunError as error:
                raw = await stream.read(error.consumed)
            self._line(raw)

    def _line(self, raw: bytes) -> None:
        line = raw.decode(errors="backslashreplace").rstrip("\r\n")
        self._last.append(line)
        if _HANG.match(line):
            self._hung = True
        self._on_line(f"[{self.name}] {line}")
