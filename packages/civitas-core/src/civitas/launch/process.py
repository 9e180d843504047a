"""An OS process that this one starts, watches and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from civitas.errors import ConfigurationError
from civitas.launch.lifeline import READY
from civitas.launch.output import OUTPUT, to_console

__all__ = ["Exit", "OsProcess", "ProcessOptions"]

_LINES = 20
"""How many of its last lines are kept to explain an end."""
_LONGEST_LINE = 64 * 1024
_OUTPUT_AFTER_END = 1.0
"""Seconds to read on after its end, at most; a grandchild may hold the pipe for ever, and write to it."""
_LOOK = 0.2
"""Seconds between looks at a quiet process: its end is not that of its output where a grandchild holds the pipe."""
_HANG = re.compile(r"Timeout \((\d+):(\d\d):(\d\d)(\.\d+)?\)!$")
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
                f"process {name!r}: python: {self.python!r} is not an interpreter or a virtual environment "
                f"({found} cannot be run)"
            )
        return str(found)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.

    Attributes:
        code: Its exit status; None if a signal ended it.
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


class OsProcess:
    """A process that this one starts, watches and ends.

    It is a new program, never a fork of this one: threads and locks do not survive a fork. It has a session of its own,
    so that Ctrl-C in a terminal reaches this process alone, which then ends the others in order.

    Args:
        name: For its lines and for errors.
        options: How to start it.
        module: What to run, as `python -m` does.
        on_line: Gets each line that it writes, with its name in front, in a thread; the console by default. It must
            not wait for a reader, or the process would. One longer than 64 KiB comes in parts.
    """

    def __init__(
        self,
        name: str,
        options: ProcessOptions,
        *,
        module: str = "civitas.worker",
        on_line: Callable[[str], None] = to_console,
    ) -> None:
        self.name = name
        self.pid: int | None = None
        self._options = options
        self._module = module
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[Exit] | None = None
        self._last: deque[str] = deque(maxlen=_LINES)
        self._hung = False
        self._dead = threading.Event()
        self._reaping = threading.Lock()
        """Held while its pid may be given to another process."""
        self._pipe = threading.Lock()
        self._told = False
        self._is_let_go = False
        self._waits: socket.socket | None = None
        """By which it hears that it may go on."""
        self._is_prepared = False

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and is gone."""
        return self._ended is not None and self._ended.done()

    async def prepare(self, boot: Mapping[str, Any]) -> None:
        """Start it, and wait until it has done all that needs nothing but `boot`, or has ended; see `go_on`.

        Raises:
            ConfigurationError: Its interpreter or working directory is not there.
        """
        own, theirs = socket.socketpair()
        own.setblocking(False)
        with theirs:
            try:
                await self.start({**boot, "waits": theirs.fileno()}, [theirs.fileno()])
            except BaseException:
                own.close()
                raise
        self._waits = own
        said = b""
        try:
            said = await asyncio.get_running_loop().sock_recv(own, len(READY))
        finally:
            self._is_prepared = True
            if not said or self.has_ended:
                self._close_waits()
        if not said:
            await self.wait()

    def go_on(self, boot: Mapping[str, Any], given: Sequence[int]) -> None:
        """Let it go on, now that it was prepared.

        Args:
            boot: What else it is told.
            given: Descriptors that it gets, of the same files.
        """
        waits, self._waits = self._waits, None
        if waits is None:
            return  # it has ended
        with waits, contextlib.suppress(OSError):
            socket.send_fds(waits, [READY], given)
        self._say(boot)

    async def start(self, boot: Mapping[str, Any], inherited: Sequence[int] = ()) -> None:
        """Start it.

        Args:
            boot: What it is told, as plain data. It goes through a pipe, as it may hold secrets, and that pipe stays
                open: its end tells the process that this one is gone.
            inherited: Descriptors that it has, too, under the same numbers.

        Raises:
            ConfigurationError: Its interpreter or working directory is not there.
        """
        options = self._options
        interpreter = options.interpreter(self.name)
        if options.cwd is not None and not os.path.isdir(options.cwd):  # noqa: PTH112, ASYNC240
            raise ConfigurationError(
                f"process {self.name!r}: cwd: there is no folder {options.cwd!r}"
            )
        self._loop = asyncio.get_running_loop()
        try:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  # it does not wait for the process
                # Options, not PYTHONUNBUFFERED and PYTHONSAFEPATH, which programs that it starts would inherit. The
                # path is told to it; what is in its working directory must not hide what it begins with.
                [os.path.abspath(interpreter), "-u", "-P", "-m", self._module],  # noqa: PTH100, ASYNC240
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                cwd=options.cwd,
                env={**os.environ, **options.env},
                start_new_session=True,
                pass_fds=tuple(inherited),
            )
        except OSError as error:
            raise ConfigurationError(
                f"process {self.name!r}: {interpreter} cannot be started: {error}"
            ) from error
        self.pid = self._process.pid
        self._ended = self._loop.create_future()
        # Threads, so that a process that writes much does not have to wait for a loop that is busy, nor the loop for a
        # console that is slow, nor for a process that does not read yet what it is told.
        self._say(boot)
        self._thread(self._attend)

    def _say(self, boot: Mapping[str, Any]) -> None:
        raw = msgpack.packb(dict(boot))
        self._thread(self._tell, len(raw).to_bytes(4, "big") + raw)

    def _thread(self, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        name = f"civitas-process-{self.name}"
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    async def wait(self) -> Exit:
        """Wait until it has ended."""
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """End it at once (SIGKILL); does nothing if it has ended."""
        with self._reaping:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()

    def let_go(self) -> None:
        """Close the pipe: it ends by itself."""
        if (waits := self._waits) is not None:
            # The loop may be about to read from it, and would never hear of a close by another thread.
            with contextlib.suppress(OSError):
                waits.shutdown(socket.SHUT_RDWR)
        with self._pipe:
            self._is_let_go = True
            if self._told:
                self._close_pipe()

    async def end(self, timeout: float) -> Exit:
        """Let it end by itself, and kill it when it has not after `timeout` seconds."""
        self.let_go()
        assert self._ended is not None
        await asyncio.wait({self._ended}, timeout=timeout)
        if not self._ended.done():
            self.kill()
        return await self.wait()

    # In threads of their own.

    def _tell(self, raw: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        rest = memoryview(raw)
        with contextlib.suppress(OSError, ValueError):  # it has ended already
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        with self._pipe:
            self._told = True
            if self._is_let_go:
                self._close_pipe()

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _attend(self) -> None:
        process = self._process
        assert process is not None
        reader = self._thread(self._read, process)
        if hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            with contextlib.suppress(ChildProcessError):  # `kill` found it ended
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._reaping:
                code = process.wait()
        else:
            code = process.wait()
        self._dead.set()
        reader.join(_LOOK + _OUTPUT_AFTER_END)
        # Its last words come before the news of its end, unless nobody reads the console.
        OUTPUT.drain(_OUTPUT_AFTER_END)
        self.let_go()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._report, self._exit(code))

    def _close_waits(self) -> None:
        waits, self._waits = self._waits, None
        if waits is not None:
            waits.close()

    def _report(self, end: Exit) -> None:
        if self._is_prepared:
            self._close_waits()
        assert self._ended is not None
        if not self._ended.done():
            self._ended.set_result(end)

    def _exit(self, code: int) -> Exit:
        lines = tuple(self._last)
        if code >= 0:
            return Exit(code, None, self._hung and code == 1, lines)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Exit(None, name, False, lines)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        rest, until = b"", None
        with process.stdout as output, selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                if until is None and self._dead.is_set():
                    until = time.monotonic() + _OUTPUT_AFTER_END
                ready = selector.select(_LOOK if until is None else 0)
                if until is not None and (not ready or time.monotonic() > until):
                    break
                if ready:
                    data = os.read(output.fileno(), _LONGEST_LINE)
                    if not data:
                        break
                    *lines, rest = (rest + data).split(b"\n")
                    if len(rest) >= _LONGEST_LINE:
                        lines.append(rest)
                        rest = b""
                    for line in lines:
                        self._line(line)
        if rest:
            self._line(rest)

    def _line(self, raw: bytes) -> None:
        line = raw.decode(errors="backslashreplace").rstrip("\r")
        self._last.append(line)
        if _HANG.search(line):
            self._hung = True
        # A console that is gone must not keep anybody from working.
        with contextlib.suppress(OSError, ValueError):
            self._on_line(f"[{self.name}] {line}")
