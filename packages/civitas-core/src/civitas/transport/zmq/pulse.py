"""Whether another node can be reached: a connection that carries nothing but ZMQ's own heartbeats.

It stands beside the one that carries frames, as the heartbeats of that one would wait behind the frames that a busy
node has not taken yet. Both sides' heartbeats come from ZMQ's own thread, so that only a node that is stopped, gone
or cut off is silent. (libzmq 4.3.5 also ends the whole process when a heartbeat is due on a connection that broke while
frames were waiting in it; here none ever wait.)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import zmq

from civitas.transport.zmq.monitor import HUNG_UP, REFUSED, SocketMonitor

__all__ = ["Pulse"]

log = logging.getLogger("civitas.transport")


class Pulse:
    """Watches the node at an endpoint.

    Args:
        socket: Configured, not connected; the pulse owns it.
        endpoint: To connect to.
        timeout: Seconds without a connection after which the node is lost.
        back: Called when there is a connection again after one that broke.
        lost: Called once when the node is lost.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        endpoint: str,
        *,
        timeout: float,
        back: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._timeout = timeout
        self._back = back
        self._lost = lost
        self._met = False
        self._hung_up = False
        self._refusal_said = False
        milliseconds = round(timeout * 1000)
        socket.heartbeat_ivl = max(1, milliseconds // 10)
        socket.heartbeat_timeout = max(1, milliseconds // 5)
        socket.heartbeat_ttl = max(100, milliseconds)
        self._loop = asyncio.get_running_loop()
        self._clock: asyncio.TimerHandle | None = self._loop.call_later(timeout, self._due)
        self._monitor = SocketMonitor(
            socket,
            zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.DISCONNECTED | REFUSED | HUNG_UP,
            self._happened,
        )
        socket.connect(endpoint)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as that is known."""
        return self._clock is None

    def lives(self) -> None:
        """It said something another way: where the connection is broken, it has all of the time again to come back."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = self._loop.call_later(self._timeout, self._due)

    def close(self) -> None:
        """Stop watching."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        self._monitor.close()
        self._socket.close(linger=0)

    def _happened(self, event: int, value: int, endpoint: str) -> None:
        if event == zmq.Event.HANDSHAKE_SUCCEEDED:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None
            if self._met:
                self._back()
            self._met = True
        elif event == zmq.Event.DISCONNECTED:
            if self._clock is None:
                self._clock = self._loop.call_later(self._timeout, self._due)
        elif event == HUNG_UP:
            self._hung_up = True
        else:
            self._say_refused()

    def _say_refused(self) -> None:
        if not self._refusal_said:
            self._refusal_said = True
            log.warning(
                "the node at %s does not let this one in; do both have the same keys?",
                self._endpoint,
            )

    def _due(self) -> None:
        clock = self._clock
        self._monitor.read()  # this loop may have been busy for longer than the connection was away
        if clock is not None and self._clock is clock:
            if self._hung_up and not self._met:
                # What a node does to one with other keys, and what one does that is just going away.
                self._say_refused()
            self._lost()
