"""Output that never blocks the program: written by a thread, bounded, and dropped with a count if nobody reads it."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["OUTPUT", "OutputQueue", "QueuedStream", "queued_output", "to_console"]

_MOST = 1024 * 1024
"""How many characters may wait for a console that is not read."""
_AT_THE_END = 1.0
"""Seconds that the end of a program waits for its last lines to be read."""


class OutputQueue:
    """Texts on their way to a reader, in the order in which they came.

    A terminal that was stopped (Ctrl-S) or a pipe that is full blocks whoever writes. Here that is a thread, which
    there is only while something waits. What comes when too much waits is dropped, and how much that was is said as
    soon as somebody reads again.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[str], object], str]] = deque()
        self._size = 0
        self._dropped = 0
        self._gone: set[Callable[[str], object]] = set()
        self._writing = False
        self._lock = threading.Lock()
        self._empty = threading.Condition(self._lock)

    def put(self, write: Callable[[str], object], text: str) -> None:
        """Have `write(text)` called soon, in a thread; never waits.

        Args:
            write: The same for all texts of one destination. When it has raised, whoever read there is gone, and it is
                called no more.
            text: Whole lines.
        """
        with self._lock:
            if write in self._gone:
                return
            if self._size + len(text) > _MOST and self._waiting:
                self._dropped += text.count("\n")
                return
            self._waiting.append((write, text))
            self._size += len(text)
            if self._writing:
                return
            self._writing = True
        threading.Thread(target=self._write, name="civitas-output", daemon=True).start()

    def drain(self, timeout: float) -> bool:
        """Wait until everything is written, `timeout` seconds at most; whether it is."""
        until = time.monotonic() + timeout
        with self._empty:
            while self._writing:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._empty.wait(left)
        return True

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._writing = False
                    self._empty.notify_all()
                    return
                write, text = self._waiting[0]
                gone = write in self._gone
                if self._dropped and self._size < _MOST // 2:
                    text = f"civitas: {self._dropped} lines were dropped here because nobody read them\n{text}"
                    self._dropped = 0
            if not gone:
                try:
                    write(text)
                except Exception:  # whatever it is, the other destinations have a reader
                    self._gone.add(write)
            with self._lock:
                # Only now: what is being written waits as well.
                _, text = self._waiting.popleft()
                self._size -= len(text)


OUTPUT = OutputQueue()
"""The one of this OS process."""


class QueuedStream(io.TextIOBase):
    """In the place of `sys.stdout` or `sys.stderr`: what is written to it goes through `OUTPUT`.

    It is told and asked what the stream itself is, `reconfigure` and `buffer` too, as agents' code may do that. Where
    this process forks, as `multiprocessing` does, the other process has no thread that writes, and writes at once.

    Args:
        stream: The stream itself.
    """

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream
        self._process = os.getpid()
        try:
            self._descriptor = stream.fileno()
        except OSError:  # it is none of the operating system's
            self._descriptor = -1
        self.buffer = _QueuedBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream itself."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of the stream itself; what cannot be encoded is written out with backslashes all the same."""
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def fileno(self) -> int:
        """The descriptor of the stream itself."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream itself is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str) -> int:
        """Let `text` be written; never waits.

        Raises:
            TypeError: It is not text.
        """
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._put(self._deliver, text)
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Let `data` be written as it is; never waits."""
        self._put(self._deliver_bytes, data.decode("latin-1"))

    def drain(self, timeout: float = _AT_THE_END) -> None:
        """Wait for what was written to arrive."""
        OUTPUT.drain(timeout)

    def _put(self, deliver: Callable[[str], object], text: str) -> None:
        if os.getpid() == self._process:
            OUTPUT.put(deliver, text)
        else:
            deliver(text)

    def _deliver(self, text: str) -> None:
        if self._descriptor < 0:
            self._stream.write(text)
        else:
            self._send(text.encode(self.encoding, "backslashreplace"))

    def _deliver_bytes(self, text: str) -> None:
        if self._descriptor < 0:
            self._stream.buffer.write(text.encode("latin-1"))
        else:
            self._send(text.encode("latin-1"))

    def _send(self, data: bytes) -> None:
        # Not through the stream's buffer: Python locks and flushes that at its end, whoever hangs in it.
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


class _QueuedBytes(io.BufferedIOBase):
    """The `buffer` of a `QueuedStream`."""

    def __init__(self, stream: QueuedStream) -> None:
        self._stream = stream

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(memoryview(data))
        self._stream.write_bytes(raw)
        return len(raw)


@contextmanager
def queued_output() -> Iterator[None]:
    """Let nothing that this program prints and logs in the block stop it from working."""
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = QueuedStream(sys.stdout), QueuedStream(sys.stderr)
    try:
        yield
    finally:
        OUTPUT.drain(_AT_THE_END)
        sys.stdout, sys.stderr = before


def to_console(line: str) -> None:
    """Print a line on stderr; never waits."""
    if isinstance(sys.stderr, QueuedStream):
        sys.stderr.write(f"{line}\n")
    else:
        OUTPUT.put(_to_stderr, f"{line}\n")


def _to_stderr(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
