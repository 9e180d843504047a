"""A signal to all processes of a service at once, which is what service managers send, is for the root to answer."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

__all__ = ["SharedSignals"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_GRACE = 1.0
"""Seconds for the word of the root that the whole system stops."""


class SharedSignals:
    """Leaves SIGTERM and SIGINT to the root if it got them too; otherwise they end this process as usual.

    The root then lets everything finish, and ends this process when its turn comes. In the main thread only.
    """

    def __init__(self) -> None:
        self._system_stops = threading.Event()
        self._decided = False
        self._received = False
        for each in _SIGNALS:
            signal.signal(each, self._handle)

    @property
    def received(self) -> bool:
        """Whether this process got one."""
        return self._received

    def system_stops(self) -> None:
        """The root says that the whole system stops."""
        self._system_stops.set()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._received = True
        if self._decided:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self._system_stops.is_set():
            threading.Thread(target=self._decide, args=[number], daemon=True).start()

    def _decide(self, number: int) -> None:
        if not self._system_stops.wait(_GRACE):
            self._decided = True
            os.kill(
                os.getpid(), number
            )  # for the main thread, which alone may set what a signal does
