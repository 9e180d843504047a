"""Watching a process of this machine that somebody else started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

__all__ = ["PidWatch", "pid_space"]


@cache
def pid_space() -> str:
    """Names where the pids of this process are valid: this machine since its start, and this container.

    Returns:
        Two processes with the same text know each other's pids; empty if that cannot be told.
    """
    try:
        machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{machine} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


class PidWatch:
    """Reports when a process has ended, at once and however it ended.

    On a system without the means for it, it never does.

    Args:
        pid: Of the process.
        on_end: Called once on the loop.
    """

    def __init__(self, pid: int, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None
        self._soon: asyncio.Handle | None = None
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._soon = self._loop.call_soon(on_end)
        except (OSError, AttributeError):  # not Linux, or one that forbids it
            return
        else:
            self._loop.add_reader(self._descriptor, self._ended)

    def _ended(self) -> None:
        self.close()
        self._on_end()

    def kill(self) -> None:
        """End the process at once (SIGKILL), and none that has its pid after it."""
        if self._descriptor is not None:
            with suppress(OSError):  # it has ended, or is somebody else's
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Stop watching."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        if self._soon is not None:
            self._soon.cancel()
