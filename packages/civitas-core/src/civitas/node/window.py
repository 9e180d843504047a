"""A window of an OS process: a thread by which this machine's owner looks in, also while the event loop is blocked."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypedDict

from civitas.errors import CivitasError, ConfigurationError, PayloadError
from civitas.launch import keep_from_children, let_go
from civitas.message import decode, encode
from civitas.node.glance import seen_now
from civitas.node.inspecting import Blocked, inspect
from civitas.node.node import Node
from civitas.node.profiling import check_seconds, profile
from civitas.process import Cell
from civitas.process.stacks import agent_of, of_loop, placed

__all__ = ["Seen", "Window", "look_through"]

logger = logging.getLogger("civitas")

_TURN = 0.1
"""Seconds after which an event loop that has not turned is said to be blocked."""
_PATIENCE = 5.0
"""Seconds for whoever looks to say at what, and to take the answer."""
_AGAIN = 0.1
"""Seconds until somebody is let in again when that failed."""
_LARGEST = 64 * 1024
_LOOKERS = 8
"""So many may look at once; others wait."""


class Seen(TypedDict):
    """What is seen through a window.

    Attributes:
        node: Name of the OS process.
        pid: Its pid.
        blocked: None while its event loop turns.
        agent: The agent that was looked for; None if it does not run there.
        error: Why nothing else was seen; otherwise empty.
    """

    node: str
    pid: int
    blocked: Blocked | None
    agent: dict[str, Any] | None
    error: str


class Window:
    """Answers, from a thread, who looks into an OS process; a context manager. The thread sleeps while nobody does.

    Args:
        node: The process.
        path: Of its socket, in a folder that nobody but this user may enter.
    """

    def __init__(self, node: Node, path: Path) -> None:
        self._node = node
        self._path = path
        self._stop = threading.Event()
        self._lookers: dict[threading.Thread, socket.socket] = {}
        self._room = threading.Semaphore(_LOOKERS)
        self._listening: socket.socket | None = None

    def __enter__(self) -> Self:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)  # of a process that was killed
            listening.bind(str(self._path))
            self._path.chmod(0o600)
            listening.listen(_LOOKERS)
        except OSError as error:  # such as a path that is too long: everything else works without
            listening.close()
            logger.info("no window at %s: %s", self._path, error)
            return self
        keep_from_children(listening.fileno())
        self._listening = listening
        self._thread = threading.Thread(
            target=self._serve,
            args=[listening],
            name=f"civitas-{self._node.name}-window",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        listening, self._listening = self._listening, None
        if listening is None:
            return
        self._stop.set()
        try:
            listening.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in accept, on Linux
        except OSError:  # elsewhere, this does
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waking:
                waking.connect(str(self._path))
        self._turn_away()  # one of them may have to make room first
        self._thread.join()
        self._path.unlink(missing_ok=True)
        let_go(listening.fileno())
        listening.close()
        self._turn_away()
        for each in list(self._lookers):
            each.join()

    def _turn_away(self) -> None:
        """Whoever looks gets no more: the event loop waits for the end of it."""
        for looker in list(self._lookers.values()):
            with suppress(OSError):  # it has just gone
                looker.shutdown(socket.SHUT_RDWR)

    def _serve(self, listening: socket.socket) -> None:
        while not self._stop.is_set():
            try:
                looker, _ = listening.accept()
            except OSError:  # such as too many open files: later there may be fewer
                self._stop.wait(_AGAIN)
                continue
            self._room.acquire()
            if self._stop.is_set():
                looker.close()
                return
            thread = threading.Thread(target=self._answer, args=[looker], daemon=True)
            self._lookers[thread] = looker
            thread.start()

    def _answer(self, looker: socket.socket) -> None:
        keep_from_children(looker.fileno())
        try:
            seen = self._seen(_asked(looker))
            looker.settimeout(_PATIENCE)
            looker.sendall(_encoded(seen))
        except OSError:
            pass  # whoever looked has gone
        finally:
            let_go(looker.fileno())
            looker.close()
            self._lookers.pop(threading.current_thread(), None)
            self._room.release()

    def _seen(self, asked: bytes) -> Seen:
        seen: Seen = {
            "node": self._node.name,
            "pid": os.getpid(),
            "blocked": None,
            "agent": None,
            "error": "",
        }
        try:
            request = decode(asked)
            name, seconds = request["agent"], request.get("profile")
            seen["blocked"] = blocked = self._blocked()
            cell = self._node.registry.get(name)
            if isinstance(cell, Cell):
                found: dict[str, Any] = {**seen_now(cell, self._node.name), **inspect(cell)}
                found["blocked"] = blocked
                if blocked is not None and blocked["by"] == name:
                    found["stack"] = blocked["stack"]
                if seconds is not None:
                    found["profile"] = profile(
                        cell,
                        self._node.loop,
                        self._node.thread,
                        check_seconds(seconds),
                        self._stop,
                    )
                seen["agent"] = found
        except CivitasError as error:
            seen["error"] = str(error)
        except Exception as error:  # what is looked at may change meanwhile, if the loop turns
            seen["error"] = f"the request failed: {error!r}"
        return seen

    def _blocked(self) -> Blocked | None:
        turned, node = threading.Event(), self._node
        try:
            node.loop.call_soon_threadsafe(turned.set)
        except RuntimeError:  # it is closed
            return None
        if turned.wait(_TURN):
            return None
        task = asyncio.current_task(node.loop)
        top = sys._current_frames().get(node.thread)
        return {
            "node": node.name,
            "by": getattr(agent_of(task), "name", None) if task is not None else None,
            "seconds": round(max(node.held_for(), _TURN), 3),
            "stack": placed(of_loop(top)) if top is not None else [],
        }


def _asked(looker: socket.socket) -> bytes:
    """What it says until it has said all; raises `OSError` when it takes too long."""
    asked, until = b"", time.monotonic() + _PATIENCE
    while len(asked) <= _LARGEST:
        looker.settimeout(max(0.0, until - time.monotonic()))
        part = looker.recv(_LARGEST)
        if not part:
            break
        asked += part
    return asked


def _encoded(seen: Seen) -> bytes:
    try:
        return encode(seen, "answer")
    except PayloadError as error:  # such as a state of many MiB
        return encode({**seen, "agent": None, "error": str(error)}, "answer")


async def look_through(
    path: Path, name: str | None, seconds: float | None, within: float
) -> Seen | None:
    """Look at an agent through the window of an OS process.

    Args:
        path: Of its socket.
        name: Of the agent; None for the process alone.
        seconds: How long to look where its time goes; None for not at all.
        within: Seconds to wait for the answer beside those.

    Returns:
        None if there is no such window, or nobody answers there.

    Raises:
        ConfigurationError: It refused.
    """
    try:
        async with asyncio.timeout(within + (seconds or 0.0)):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(encode({"agent": name, "profile": seconds}, "request"))
                writer.write_eof()
                answer = await reader.read()
            finally:
                writer.close()
        seen: Seen = decode(answer)
    except (OSError, TimeoutError, ValueError):
        return None
    if seen["error"]:
        raise ConfigurationError(seen["error"])
    return seen
