"""Ends a stop that the event loop never gets to, because an agent's code blocks it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback

from civitas.cli.signals import leave, leave_within
from civitas.runtime import Runtime

__all__ = ["watch_stop"]

logger = logging.getLogger("civitas")

# Seconds that a stop has in any case, and between two looks at the loop.
_AT_LEAST = 3.0
_BETWEEN = 1.0
# How much of the stack is shown: what blocks is at its end.
_FRAMES = 8


def watch_stop(runtime: Runtime, loop: asyncio.AbstractEventLoop) -> None:
    """Watch from a thread that `loop`, which the main thread runs, goes on turning while `runtime` stops.

    A loop that turns keeps the time limits of the stop itself. One that does not for as long as the stop may take
    (`drain_timeout` and the longest `shutdown_timeout`; None among these means no limit) never will: it is told who
    blocks it, and the process ends with exit code 1.
    """
    threading.Thread(target=_watch, args=[runtime, loop], name="civitas-stop", daemon=True).start()


def _watch(runtime: Runtime, loop: asyncio.AbstractEventLoop) -> None:
    timeouts = [cell.shutdown_timeout for cell in list(runtime._node.registry.values())]
    if None in timeouts:
        return  # one may take for ever
    longest = max(filter(None, timeouts), default=0.0)
    bound = max(runtime.drain_timeout + longest, _AT_LEAST)
    pause = threading.Event()
    while True:
        turned = threading.Event()
        try:
            loop.call_soon_threadsafe(turned.set)
        except RuntimeError:
            return  # it is closed: everything has ended
        if not turned.wait(bound):
            if loop.is_running():
                _give_up(loop, bound)
            return
        pause.wait(_BETWEEN)


def _give_up(loop: asyncio.AbstractEventLoop, bound: float) -> None:
    leave_within(_AT_LEAST, 1)  # should the stuck code hold the lock of the log
    task = asyncio.current_task(loop)
    name = task.get_name().removeprefix("civitas:") if task is not None else "a callback"
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    stack = "".join(traceback.format_stack(frame)[-_FRAMES:]) if frame is not None else ""
    logger.critical(
        "the event loop has been blocked by %r for %g s, as long as a stop may take; the process ends now. "
        "Code that blocks belongs in a plain `def` handler, which runs in a thread",
        name,
        bound,
    )
    print(f"it is stuck here:\n{stack}", file=sys.stderr, end="")
    leave(1)
