"""A window of an OS process: a thread by which this machine's owner looks in, also while the event loop is blocked."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from civitas.launch import keep_from_children, let_go
from civitas.node.inspecting import Seen
from civitas.node.node import Node
from civitas.node.view import View, asked, seen_in

__all__ = ["Window", "look_through"]

logger = logging.getLogger("civitas")

_PATIENCE = 5.0
"""Seconds for whoever looks to say at what, and to take the answer."""
_AGAIN = 0.1
"""Seconds until somebody is let in again when that failed."""
_LARGEST = 64 * 1024
_LOOKERS = 8
"""So many may look at once; others wait."""


class Window:
    """Answers, from a thread, who looks into an OS process; a context manager. The thread sleeps while nobody does.

    Args:
        node: The process.
        path: Of its socket, in a folder that nobody but this user may enter.
    """

    def __init__(self, node: Node, path: Path) -> None:
        self._name = node.name
        self._view = View(node)
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
            name=f"civitas-{self._name}-window",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        listening, self._listening = self._listening, None
        if listening is None:
            return
        self._stop.set()
        self._view.close()
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
            answer = self._view.answer(_question(looker))
            looker.settimeout(_PATIENCE)
            looker.sendall(answer)
        except OSError:
            pass  # whoever looked has gone
        finally:
            let_go(looker.fileno())
            looker.close()
            self._lookers.pop(threading.current_thread(), None)
            self._room.release()


def _question(looker: socket.socket) -> bytes:
    """What it says until it has said all; raises `OSError` when it takes too long."""
    question, until = b"", time.monotonic() + _PATIENCE
    while len(question) <= _LARGEST:
        looker.settimeout(max(0.0, until - time.monotonic()))
        part = looker.recv(_LARGEST)
        if not part:
            break
        question += part
    return question


async def look_through(
    path: Path, name: str | None, seconds: float | None, within: float, request: str = ""
) -> Seen | None:
    """Look at an agent through the window of an OS process.

    Args:
        path: Of its socket.
        name: Of the agent; None for the process alone.
        seconds: How long to look where its time goes; None for not at all.
        within: Seconds to wait for the answer beside those.
        request: Of whose message it is to be said whether it was accepted; empty for none.

    Returns:
        None if there is no such window, or nobody answers there.

    Raises:
        ConfigurationError: It refused.
    """
    try:
        async with asyncio.timeout(within + (seconds or 0.0)):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(asked(name, seconds, request))
                writer.write_eof()
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    try:
        return seen_in(answer)
    except ValueError:  # its process ended meanwhile
        return None
