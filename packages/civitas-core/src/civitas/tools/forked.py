"""A child that an agent's code forked: it ends if it comes back to our code, and is never a second copy of us.

A forked child has the sockets and files of its parent, the same messages in its mailboxes, and none of its threads.
What forks to start a program, or to run a function and end, as `subprocess` and `multiprocessing` do, never comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NoReturn
from weakref import WeakSet

__all__ = ["Fork", "comes_back", "end_copy", "guard", "unless_copied"]

_loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
"""Those that agents run on, of this process."""
_copied: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
"""Those of the process that this one was forked from."""
_thread: int | None = None
"""The thread that forked, which is the only one here."""
_registered = False
_forked: ContextVar[bool] = ContextVar("civitas_forked", default=False)
"""Set in the child, in the context of the code that forked: what looks for changes there need not look for forks."""


class Fork:
    """Whether this process is such a child; one attribute, as it is looked at often."""

    happened = False


def guard(loop: asyncio.AbstractEventLoop) -> None:
    """Keep forked children from going on with `loop`."""
    global _registered
    if not _registered:
        _registered = True
        os.register_at_fork(after_in_child=_after_fork)
    _loops.add(loop)


def _after_fork() -> None:
    global _thread
    running = [loop for loop in _loops if loop.is_running()]
    _loops.clear()
    if not running:
        return  # nothing of ours went on at the fork
    Fork.happened = True
    _forked.set(True)
    _thread = threading.get_ident()
    for loop in running:
        _copied.add(loop)
        # What an event loop does next is always to take from here.
        loop._ready = _NothingMore()  # type: ignore[attr-defined]


class _NothingMore(deque[Any]):
    """The callbacks of an event loop that has none left."""

    def __len__(self) -> int:
        return 1

    def append(self, _: Any) -> None:
        """Forget it."""

    def popleft(self) -> NoReturn:
        """End the child, which came back to the event loop."""
        error = sys.exception()
        if error is None:
            _say(
                "a forked child returned to its parent's event loop, and is ended here; "
                "end it with os._exit(), or start a process with multiprocessing (spawn) or asyncio"
            )
            os._exit(1)
        end_copy(error)


def unless_copied(
    loop: asyncio.AbstractEventLoop | None, error: BaseException | None = None
) -> None:
    """End this process if it is a forked child that comes back to `loop`, or to a thread of its parent.

    Args:
        loop: The event loop that the caller runs on; None in a thread.
        error: What the code that forked raised; its status is that of any program that ends so.
    """
    if loop in _copied if loop is not None else threading.get_ident() == _thread:
        end_copy(error)


def comes_back(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function in a thread; a child that it forked does not come back."""
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        if Fork.happened:
            unless_copied(None, error)
        raise
    if Fork.happened:
        unless_copied(None)
    return result


def end_copy(error: BaseException | None) -> NoReturn:
    """End this process as Python would after `error`, and without what the parent is to do at its own end."""
    status = 0
    if isinstance(error, SystemExit):
        code = error.code
        if code is None or isinstance(code, int):
            status = code or 0
        else:
            _say(str(code))
            status = 1
    elif error is not None:
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)


def _say(text: str) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
