"""How a node is looked into over ZMQ, also while its event loop, which reads what arrives, is blocked."""

from __future__ import annotations

import asyncio
import logging
import select
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import zmq

from civitas.transport.contract import MAX_FRAME

if TYPE_CHECKING:
    from civitas.transport.looking import Shows

__all__ = ["ZmqLooking", "look", "look_in"]

log = logging.getLogger("civitas.transport")

_LOOK = b"\x03"
"""What neither a batch nor a question of `standing` begins with."""
_LOOKERS = 8
"""So many are answered at once; others ask again."""
_EVERY = 0.1
"""Seconds between two looks at whether what arrived is read."""


class Reads(Protocol):
    """What receives, in the event loop; see `Inbox`."""

    turns: int
    descriptor: int

    def read_ahead(self) -> None:
        """Read what has arrived, in another thread than that of the event loop."""

    def tell(self, sender: bytes, told: bytes) -> None:
        """Send something back, from any thread."""


class ZmqLooking:
    """Answers those who look into a node, in threads.

    Another thread looks ten times a second whether the event loop has read what arrived. If it has not, it reads it in
    its place: it takes the questions, and leaves the rest for the event loop.

    Args:
        inbox: Of the node.
        shows: Answers a question.
    """

    def __init__(self, inbox: Reads, shows: Shows) -> None:
        self.shows: Shows | None = shows
        """None answers nobody any more."""
        self._inbox = inbox
        self._answering: set[threading.Thread] = set()
        self._running = threading.Lock()  # to wait for it costs a tenth of what an Event does
        self._running.acquire()
        self._thread = threading.Thread(target=self._watch, name="civitas-zmq-look", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """End the thread, and wait for the answers that are being made."""
        self.shows = None
        self._running.release()
        for thread in (self._thread, *self._answering):
            await asyncio.to_thread(thread.join)

    def take(self, sender: bytes, question: bytes) -> None:
        """Answer a question; called in any thread."""
        shows = self.shows
        if shows is not None and len(self._answering) < _LOOKERS:
            # A profile takes seconds, and others want to know meanwhile.
            thread = threading.Thread(
                target=self._answer, args=[shows, sender, question], daemon=True
            )
            self._answering.add(thread)
            thread.start()

    def _watch(self) -> None:
        news, turns, waits = select.poll(), -1, False
        news.register(self._inbox.descriptor, select.POLLIN)
        while not self._running.acquire(timeout=_EVERY):
            there, before = bool(news.poll(0)), turns
            turns = self._inbox.turns
            if there and waits and turns == before:
                try:
                    self._inbox.read_ahead()
                except Exception:
                    log.exception(
                        "zmq: what arrived could not be read while the event loop is blocked"
                    )
                    return
            waits = there

    def _answer(self, shows: Shows, sender: bytes, question: bytes) -> None:
        try:
            answer = shows(question, MAX_FRAME)
            if answer is not None:
                self._inbox.tell(sender, _LOOK + answer)
        except Exception:
            log.exception("zmq: the look into this process failed")
        finally:
            self._answering.discard(threading.current_thread())


def look_in(parts: Sequence[bytes]) -> bytes | None:
    """The question of somebody who looks; None for anything else."""
    return parts[0][1:] if len(parts) == 1 and parts[0][:1] == _LOOK else None


async def look(
    socket: zmq.Socket[bytes], endpoint: str, question: bytes, within: float
) -> bytes | None:
    """What a node answers; None if it does not in time.

    Args:
        socket: A DEALER, not connected; it is closed.
        endpoint: Of the node.
        question: For its `shows`.
        within: Seconds to wait.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    descriptor: int = socket.FD
    asked = False
    loop.add_reader(descriptor, news.set)
    try:
        socket.immediate = True  # until there is a connection, nothing can be sent
        socket.connect(endpoint)
        async with asyncio.timeout(within):
            while True:
                news.clear()  # before the look: what comes after it is signalled
                events: Any = socket.getsockopt(zmq.EVENTS)
                if events & zmq.POLLIN:
                    answer = socket.recv(zmq.NOBLOCK)
                    if answer[:1] == _LOOK:
                        return answer[1:]
                elif events & zmq.POLLOUT and not asked:
                    asked = True
                    socket.send(_LOOK + question, zmq.NOBLOCK)
                else:
                    await news.wait()
    except TimeoutError:
        return None
    except zmq.ZMQError as error:
        log.debug("zmq: nobody shows at %s what happens: %r", endpoint, error)
        return None
    finally:
        loop.remove_reader(descriptor)
        with suppress(zmq.ZMQError):
            socket.close(linger=0)
