"""The side of the process that is started: it ends with its starter, and when its event loop is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import faulthandler
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgpack

__all__ = [
    "READY",
    "HangWatchdog",
    "Lifeline",
    "ends_with_starter",
    "go_on_when_told",
    "read_boot",
]

READY = b"r"
"""What a process says that was prepared, and waits."""
_MOST = 16
"""Descriptors that it may be given."""
_LOOK = 0.2
"""Seconds between two looks whether its starter is there, before there is a `Lifeline`."""

_LENGTH = 4
"""Bytes of the length in front of the boot data."""
_PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""


def read_boot() -> tuple[dict[str, Any], int]:
    """What the starter says, and the end of its pipe, which stays open; stdin is empty for everybody else.

    Returns:
        The boot data, and the descriptor to give to `Lifeline`.
    """
    pipe = os.dup(0)
    os.set_inheritable(pipe, False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return _record(pipe), pipe


@contextlib.contextmanager
def ends_with_starter(pipe: int) -> Iterator[None]:
    """Until there is a `Lifeline`: end this process when its starter is gone, whatever a constructor waits for.

    Args:
        pipe: As of `read_boot`; nothing is read from it.
    """
    over = threading.Event()

    def watch() -> None:
        end = select.poll()
        end.register(pipe, 0)
        while not over.is_set():
            if end.poll(_LOOK * 1000) and not over.is_set():
                os._exit(1)

    _end_soon_after_starter()
    threading.Thread(target=watch, name="civitas-starter", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        _live_on()


def go_on_when_told(waits: int, pipe: int) -> dict[str, Any]:
    """Say that all is ready that needs no root, and wait; this process ends if its starter does not want it.

    Args:
        waits: The descriptor of the socket that leads to the starter, by which descriptors come.
        pipe: As of `read_boot`.

    Returns:
        The rest of the boot data.
    """
    with socket.socket(fileno=waits) as starter:
        starter.sendall(READY)
        told, descriptors, _, _ = socket.recv_fds(starter, 1, _MOST)
    if not told:
        sys.exit(0)
    boot = _record(pipe)
    boot["held"] = descriptors[: len(boot["held"])]
    if boot["console"] is not None:
        boot["console"] = descriptors[-1]
    return boot


def _record(pipe: int) -> dict[str, Any]:
    length = int.from_bytes(_read(pipe, _LENGTH), "big")
    boot: dict[str, Any] = msgpack.unpackb(_read(pipe, length))
    return boot


def _read(pipe: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = os.read(pipe, length - len(data))
        if not part:
            sys.exit("this process is started by `civitas run` or Runtime.from_config, not by hand")
        data += part
    return data


class Lifeline:
    """Ends this process with the one that started it, whatever either is doing.

    A thread waits for the end of the pipe, which also comes when the starter is killed with -9. It lets the event loop
    end in order, and ends the process itself when that takes too long.

    Args:
        pipe: What `read_boot` returned.
        on_gone: Called on the loop when the starter is gone.
        grace: Seconds until this process ends all the same.
        outlives: Seconds that it may outlive its starter before that, as somebody may take it over.
        console: Where its output goes then, as its starter does not read that any more: a descriptor.
    """

    def __init__(
        self,
        pipe: int,
        on_gone: Callable[[], None],
        grace: float = 5.0,
        *,
        outlives: float = 0.0,
        console: int | None = None,
    ) -> None:
        self._pipe = pipe
        self._on_gone = on_gone
        self._grace = grace + outlives
        self._console = console
        self._cut = threading.Event()
        self._loop = asyncio.get_running_loop()
        if not outlives:
            _end_soon_after_starter()
        threading.Thread(target=self._watch, name="civitas-lifeline", daemon=True).start()

    def _watch(self) -> None:
        while os.read(self._pipe, 4096):
            pass
        if self._console is not None:
            self._turn_output_to(self._console)
        if self._cut.is_set():
            return
        # A closed loop is not the end: a non-daemon thread may keep the process alive.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_gone)
        if not self._cut.wait(min(self._grace, threading.TIMEOUT_MAX)):
            os._exit(1)

    def _turn_output_to(self, console: int) -> None:
        # A terminal may be closed one day, and writing there would be an error then.
        target = os.open(os.devnull, os.O_WRONLY) if os.isatty(console) else console
        for descriptor in (1, 2):
            os.dup2(target, descriptor)

    def cut(self) -> None:
        """Let this process live on without its starter: somebody else looks after it."""
        self._cut.set()


def _end_soon_after_starter() -> None:
    """End even if code in C keeps the interpreter's lock, so that no Python thread runs any more (Linux).

    The kernel tells this process of the end of its starter by a signal, and that is handled in C: by `alarm`, which
    takes the signal's number as the seconds until SIGALRM, which ends the process.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    libc.signal(signal.SIGTRAP, ctypes.cast(libc.alarm, ctypes.c_void_p))
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTRAP)


def _live_on() -> None:
    """Undo that: whoever goes on may outlive its starter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0)


class HangWatchdog:
    """Ends this process when its event loop is stuck, with the stack of the stuck code on stderr.

    faulthandler's timer is a thread in C that needs no GIL, so code in C that holds it is found out as well, and also
    when nobody is left to look after this process. The loop puts the end off again and again.

    Args:
        hang_timeout: Seconds that the loop may be stuck; None watches nothing.
    """

    def __init__(self, hang_timeout: float | None) -> None:
        self._timeout = hang_timeout
        self._timer: asyncio.TimerHandle | None = None

    def resume(self) -> None:
        """Watch, from now on."""
        if self._timeout is not None:
            faulthandler.dump_traceback_later(self._timeout, exit=True)
            every = min(max(self._timeout / 4, 0.05), 1.0)
            self._timer = asyncio.get_running_loop().call_later(every, self.resume)

    def put_off(self) -> None:
        """The loop is held up on purpose: it has all of the time again."""
        if self._timeout is not None and self._timer is not None:
            faulthandler.dump_traceback_later(self._timeout, exit=True)

    def pause(self) -> None:
        """Stop watching, such as while modules are imported."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        faulthandler.cancel_dump_traceback_later()
