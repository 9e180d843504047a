"""SIGTERM, SIGINT and SIGHUP: the first asks for a drain, the second ends the process at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from civitas.launch import QueuedStream

__all__ = ["StopSignals", "leave", "leave_within"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Watches for the signals that stop a program, while entered. Only in the main thread.

    The handlers are Python's own and not the event loop's: the second signal must also end a program whose loop is
    stuck in somebody's code, and a handler of the loop would wait for that code. A byte in a socket wakes the loop
    all the same: a signal that comes when it is just about to wait would be seen only when something else wakes it.

    Args:
        on_first: Called with the first signal and the loop that waits for it, in a thread of its own, before `first`
            returns it.
    """

    def __init__(
        self, on_first: Callable[[signal.Signals, asyncio.AbstractEventLoop | None], None]
    ) -> None:
        self._on_first = on_first
        self._received: signal.Signals | None = None
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._before: dict[signal.Signals, Any] = {}
        self._waker, self._woken = socket.socketpair()

    @property
    def received(self) -> bool:
        """Whether one has come."""
        return self._received is not None

    async def first(self) -> signal.Signals:
        """Wait for the first signal."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._woken, self._woken.recv, 4096)
        if not self._told:
            await self._wake.wait()
        assert self._received is not None
        return self._received

    def __enter__(self) -> Self:
        for each in (self._waker, self._woken):
            each.setblocking(False)
        self._woke_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            # `nohup` has it ignored: then the program outlives its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(self._woke_before)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._woken)
        for end in (self._waker, self._woken):
            end.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            if number == signal.SIGHUP:
                return  # of a terminal that closes: the kernel sends one, and the shell another
            leave(128 + number)
        self._received = signal.Signals(number)
        # Not here: the code that the signal interrupted may hold what is needed to print a line.
        threading.Thread(target=self._tell, args=[self._received], daemon=True).start()

    def _tell(self, received: signal.Signals) -> None:
        try:
            self._on_first(received, self._loop)
        finally:
            self._told = True
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # it is closed: all has ended meanwhile
                    self._loop.call_soon_threadsafe(self._wake.set)


def leave_within(seconds: float, code: int) -> None:
    """End this process in at most `seconds`, with exit code `code`, whatever still runs in its threads.

    Python waits at its exit for every thread, and one that is stuck in somebody's blocking call would keep it for ever.
    """
    timer = threading.Timer(seconds, leave, [code])
    timer.daemon = True
    timer.start()


def leave(code: int) -> None:
    """End this process at once, with exit code `code`."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the code that was interrupted may be writing itself
            (stream.drain if isinstance(stream, QueuedStream) else stream.flush)()
    os._exit(code)
