"""What happens on the connections of a ZMQ socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import zmq

__all__ = ["HUNG_UP", "REFUSED", "SocketMonitor"]

REFUSED = zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH
HUNG_UP = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL
"""The other side went away half way: it does not want in any more, or was the first to see that the keys do not fit."""


class SocketMonitor:
    """Calls `happened` in the event loop, in order, with each event of `events`, its value and its endpoint."""

    def __init__(
        self, watched: zmq.Socket[bytes], events: int, happened: Callable[[int, int, str], None]
    ) -> None:
        self._watched = watched
        self._happened = happened
        self._socket: zmq.Socket[Any] = watched.get_monitor_socket(events)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.FD, self.read)
        # ZMQ signals only to those who have looked once and found nothing.
        self._loop.call_soon(self.read)

    def read(self) -> None:
        """Report everything that has happened so far."""
        # To the end, as ZMQ signals again only what comes after that.
        while not self._socket.closed:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            # What pyzmq has for this would import its asyncio, which nothing here uses.
            event, value = struct.unpack("=hi", parts[0])
            self._happened(event, value, parts[1].decode(errors="replace"))

    def close(self) -> None:
        """Hear no more; before the watched socket is closed."""
        self._loop.remove_reader(self._socket.FD)
        self._watched.disable_monitor()
        self._socket.close(linger=0)
