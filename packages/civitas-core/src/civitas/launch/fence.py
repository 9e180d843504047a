"""`Fence`: keeps a process from doing anything while it may not, as where it was stopped and another took its place.

An event loop runs one thing at a time. So whoever holds it up before it goes on suspends everything at once: each
handler where it just waits, each timer, each connection. Nothing of it is lost if the process may go on.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from civitas.launch.output import OUTPUT

__all__ = ["Fence", "FencedLoop", "fence_of", "start_over"]

_LOOK = 0.02
_LAST_LINES = 1.0
"""Seconds for what was printed to arrive."""


class Fence:
    """Holds the main thread up while this process may not go on. Without `guard` it never does."""

    def __init__(self) -> None:
        self.on_lost: Callable[[str], object] = _nothing
        """Called in the main thread, with the reason, if this process may never go on. It does not return."""
        self.on_held_up: Callable[[], object] = _nothing
        """Called again and again while the main thread is held up."""
        self._may: Callable[[], bool] | None = None
        self._why = ""
        self._settled = threading.Event()

    def guard(self, may: Callable[[], bool]) -> None:
        """Let this process go on only while `may` says so, which is asked often, and in any thread."""
        self._may, self._why = may, ""
        self._settled.clear()

    def open(self) -> None:
        """Hold it up no more."""
        self._may = None

    def lose(self, why: str) -> None:
        """It may never go on. May be called in any thread."""
        self._why = why
        self._settled.set()

    def check(self) -> None:
        """Return when this process may go on. In the main thread."""
        while (may := self._may) is not None and (self._why or not may()):
            if self._why:
                self._may = None
                self.on_lost(self._why)
                return
            self.on_held_up()
            self._settled.wait(_LOOK)

    def check_when_continued(self) -> None:
        """Check first of all, too, when this process was stopped by a signal and is continued. In the main thread."""

        def continued(number: int, frame: FrameType | None) -> None:
            self.check()

        signal.signal(signal.SIGCONT, continued)


class FencedLoop(asyncio.SelectorEventLoop):
    """An event loop with a fence before each of its turns.

    Attributes:
        fence: It.
    """

    def __init__(self) -> None:
        self.fence = Fence()
        super().__init__(_Selector(self.fence))


class _Selector(selectors.DefaultSelector):
    def __init__(self, fence: Fence) -> None:
        super().__init__()
        self._check = fence.check

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(timeout)
        self._check()
        return found


def fence_of(loop: asyncio.AbstractEventLoop) -> Fence | None:
    """The fence of a loop; None if it has none, as it is not ours."""
    return loop.fence if isinstance(loop, FencedLoop) else None


def start_over() -> None:
    """Begin this program again, in the same process: of what it did before nothing is left, in no thread."""
    OUTPUT.drain(_LAST_LINES)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _nothing(*_: object) -> None: ...
