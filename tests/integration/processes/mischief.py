"""What the agents of these tests do to their own OS process: end it, block it, cut it off, leave something behind."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def leave_a_thread() -> None:
    """One that is no daemon, and never ends."""
    threading.Thread(target=threading.Event().wait, name="metrics-uploader").start()


def leave_a_blocked_call() -> None:
    """In a thread of asyncio's own executor."""
    loop = asyncio.get_running_loop()
    contextvars.Context().run(lambda: loop.run_in_executor(None, threading.Event().wait))


def leave_a_forked_child() -> None:
    """It lives on for a moment, with all that its parent had open."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)


def leave_a_child_that_is_joined() -> None:
    """`multiprocessing` waits for it at the exit."""
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(4,)).start()


LEAVE = {
    "thread": leave_a_thread,
    "call": leave_a_blocked_call,
    "child": leave_a_forked_child,
    "joined child": leave_a_child_that_is_joined,
}


def end_this_process(how: str | int) -> None:
    """By its exit status, by the name of a signal, or by what ends its event loop."""
    match how:
        case int():
            os._exit(how)
        case "stop loop":
            asyncio.get_running_loop().stop()
        case "cancel all":
            for task in asyncio.all_tasks():
                task.cancel()
        case _:
            os.kill(os.getpid(), getattr(signal, how))


def stuck_in_python() -> None:
    while True:
        pass


def stuck_in_c() -> None:
    """In one call of C, which keeps the interpreter's lock."""
    deque(itertools.repeat(None), maxlen=0)


def sockets() -> Iterator[socket.socket]:
    """The Unix sockets of this process, as copies that are closed again."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        if not entry.is_socket():
            continue
        with socket.socket(fileno=os.dup(int(entry.name))) as each:
            if each.family == socket.AF_UNIX:
                yield each


def listens_at() -> str:
    """The path at which the other processes reach this one."""
    for each in sockets():
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return str(each.getsockname())
    raise LookupError("this process listens nowhere")


def cut_off(path: str) -> None:
    """Break every connection of this process to the one at `path`, and let nobody make another."""
    Path(path).unlink(missing_ok=True)
    for each in sockets():
        with suppress(OSError):  # it is not connected
            if each.getpeername() == path:
                each.shutdown(socket.SHUT_RDWR)


def eat_memory(limit: int) -> None:
    """Ask for more memory than this process may have."""
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    eaten: list[bytes] = []
    while True:
        eaten.append(b"x" * (16 * 1024 * 1024))
