"""Ends a process whose work is done, whatever a library has left in it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["end_soon"]

logger = logging.getLogger("civitas")

_SECONDS = 0.5
"""For what ends by itself: Python waits at its exit for each thread that is not a daemon, and `multiprocessing` for its
children."""


def end_soon(name: str, status: Callable[[], int]) -> None:
    """Let this process end by itself within half a second, or end it and say what was left in it.

    Args:
        name: Of the process, for the log.
        status: Its exit status.
    """
    threading.Thread(
        target=_end, args=[name, status], name="civitas-leftovers", daemon=True
    ).start()


def _end(name: str, status: Callable[[], int]) -> None:
    threading.Event().wait(_SECONDS)
    left = [*_threads(), *_children()]
    logger.warning(
        "process %r is ending, and something that its agents started is still there: %s. "
        "End it in on_stop, or use a daemon thread",
        name,
        ", ".join(left) or "an exit handler that does not return",
    )
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status())


def _threads() -> Iterator[str]:
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.daemon or thread is threading.main_thread():
            continue
        frame = frames.get(thread.ident or 0)
        where = f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
        yield f"the thread {thread.name!r}{where}"


def _children() -> Iterator[str]:
    """The processes that this one started, as far as the system tells (Linux)."""
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in task.read_text().split():
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                yield f"the process {pid} ({command.decode(errors='replace').strip()[:80]})"
