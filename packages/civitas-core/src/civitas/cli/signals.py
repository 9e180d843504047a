"""SIGTERM and SIGINT: the first asks for a drain, the second ends the process at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignals", "leave_within"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Watches for the signals that stop a program, while entered. Only in the main thread.

    The handlers are Python's own and not the event loop's: the second signal must also end a program whose loop is
    stuck in somebody's code, and a handler of the loop would wait for that code.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._before: dict[signal.Signals, Any] = {}

    async def first(self) -> signal.Signals:
        """Wait for the first signal."""
        self._loop = asyncio.get_running_loop()
        while self._received is None:
            await self._wake.wait()
        return self._received

    def __enter__(self) -> Self:
        for each in _SIGNALS:
            self._before[each] = signal.signal(each, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            _leave(128 + number)
        self._received = signal.Signals(number)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)


def leave_within(seconds: float, code: int) -> None:
    """End this process in at most `seconds`, with exit code `code`, whatever still runs in its threads.

    Python waits at its exit for every thread, and one that is stuck in somebody's blocking call would keep it for ever.
    """
    timer = threading.Timer(seconds, _leave, [code])
    timer.daemon = True
    timer.start()


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the code that was interrupted may be writing itself
            stream.flush()
    os._exit(code)
