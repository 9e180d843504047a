"""Whether a node still belongs to its system: how the root is asked over ZMQ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import zmq

from civitas.launch import Fence
from civitas.transport.standing import Standing

__all__ = ["ZmqStanding", "answer", "question_in"]

_QUESTION = b"\x02"
"""What a batch does not begin with."""
_YES, _NO = b"\x01", b"\x00"
_TICKS = 10
"""So often in a node timeout a node notes that it runs."""
_ACTS_FOR = 0.6
"""Of the node timeout. What breaks a connection without a word is found out after three ticks; until then it counts."""
_PATIENCE = 0.05, 0.25
"""Seconds for the answer: the first time, and at most."""


class ZmqStanding:
    """Holds a node up whenever the root may have given it up, and asks that. In the main thread.

    It is not known when ZMQ heard last from the root, but that it is heard from as long as there is a connection and
    this process runs: ZMQ's own thread sees to that.

    Args:
        fence: Of this process.
        timeout: Seconds without a connection after which the root gives a node up.
        address: Of this node.
        dealer: Makes a socket that is about to be connected to the root; it can be written to when it is.
        is_connected: Whether there is a connection to the root, as far as that is known.
    """

    def __init__(
        self,
        fence: Fence,
        timeout: float,
        address: str,
        dealer: Callable[[], zmq.Socket[bytes]],
        is_connected: Callable[[], bool],
    ) -> None:
        self._standing = Standing(timeout, fence.lose, acts_for=_ACTS_FOR * timeout)
        self._address = address
        self._dealer = dealer
        self._is_connected = is_connected
        self._every = timeout / _TICKS
        self._patience = _PATIENCE[0]
        self._timer: asyncio.TimerHandle | None = None
        self._tick()
        fence.guard(self._may)

    def close(self) -> None:
        """Note nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        if self._is_connected():
            self._standing.heard(time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(self._every, self._tick)

    def _may(self) -> bool:
        if self._standing.may():
            self._patience = _PATIENCE[0]
            return True
        self._ask()
        return self._standing.may()

    def _ask(self) -> None:
        asked_at = time.monotonic()
        patience = round(self._patience * 1000)
        # A socket for each try: a signal may interrupt one, and its handler asks, too.
        with suppress(zmq.ZMQError), self._dealer() as socket:
            if socket.poll(patience, zmq.POLLOUT):
                self._standing.can_be_asked()  # it is there, and may be busy for as long as it likes
                socket.send(_QUESTION + self._address.encode(), zmq.NOBLOCK)
                if socket.poll(patience):
                    self._standing.answered(socket.recv(zmq.NOBLOCK) == _YES, asked_at)
        self._patience = min(2 * self._patience, _PATIENCE[1])


def question_in(parts: Sequence[bytes]) -> str | None:
    """The address of the node that asks; None for anything else."""
    if len(parts) != 1 or parts[0][:1] != _QUESTION:
        return None
    return parts[0][1:].decode(errors="replace")


def answer(belongs: bool) -> bytes:
    """What it is told."""
    return _YES if belongs else _NO
