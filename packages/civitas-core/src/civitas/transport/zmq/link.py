"""The sending side: a DEALER that sends batches, and takes their acknowledgements."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import zmq

from civitas.message.large import LARGE, Large
from civitas.transport.batches import Ack
from civitas.transport.contract import MAX_FRAME, Detour, check_frame
from civitas.transport.throttled_log import ThrottledLog
from civitas.transport.window import SendWindow
from civitas.transport.zmq.inbox import BYTES_IN_A_TURN
from civitas.transport.zmq.monitor import SocketMonitor

__all__ = ["ZmqLink"]

log = logging.getLogger("civitas.transport")

# As plain numbers: with pyzmq's enums, each look at them takes as long as a small frame.
_IN, _OUT, _NOW = int(zmq.POLLIN), int(zmq.POLLOUT), int(zmq.NOBLOCK)


class ZmqLink:
    """A `Link` over a DEALER socket.

    Args:
        socket: Configured, not connected; the link owns it.
        endpoint: To connect to.
        id: Of the link.
        run: The run of the node there, or `ANY_RUN` for whichever answers first.
        lost: Called once with the reason where the node that answers is not the one it was.
        closed: Called once when the link is over.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        endpoint: str,
        id: bytes,
        run: bytes,
        *,
        lost: Callable[[str], None],
        closed: Callable[[ZmqLink], None],
    ) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._lost = lost
        self._closed = closed
        self._window = SendWindow(id, run, most=LARGE)
        self._loop = asyncio.get_running_loop()
        self._pending = False  # whether a turn is coming that will send
        self._more: asyncio.Handle | None = None  # that turn, where this one was long enough
        self._connected_before = False
        self._no_answers = ThrottledLog(log)
        self._over = False
        self._detour: Detour | None = None  # where batches go when there is no connection any more
        self._monitor = SocketMonitor(socket, zmq.Event.HANDSHAKE_SUCCEEDED, self._connected)
        self._descriptor: int = socket.FD
        self._loop.add_reader(self._descriptor, self._turn)
        socket.connect(endpoint)

    @property
    def run(self) -> bytes:
        """The run of the node there, or `ANY_RUN` while none has answered."""
        return self._window.run

    # What the node calls.

    def send(self, frame: bytes | Large, *, urgent: bool = False) -> None:
        """Hand over a frame; see `Link.send`."""
        if len(frame) > MAX_FRAME:
            check_frame(frame)
        if self._over:
            return
        self._window.put(frame, urgent=urgent)
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._turn)

    def send_large(self, frame: Large) -> None:
        """Hand over a large frame; see `CuttingLink.send_large`."""
        self.send(frame)

    async def flushed(self) -> None:
        """Wait for everything so far to be received; see `Link.flushed`."""
        if self._over:
            return
        arrived = self._window.flush()
        self._soon()
        await arrived

    def close(self) -> None:
        """End it, and drop what waits."""
        if self._over:
            return
        self._over = True
        self._hang_up()
        self._window.close()
        self._closed(self)

    # What is known of the connection.

    def reconnect(self) -> None:
        """The node was away for a while.

        Whether this connection outlived that too is not known, and may not be for minutes, so there is a new one.
        """
        self._socket.disconnect(self._endpoint)
        self._socket.connect(self._endpoint)
        self._connected_before = True

    def go_round(self, detour: Detour) -> None:
        """There will be no connection: send another way what has not surely arrived, and all that comes later."""
        self._hang_up()
        self._detour = detour
        self._window.again()  # what of it did arrive is not taken twice
        self._pending = True
        self._loop.call_soon(self._turn)

    def _hang_up(self) -> None:
        if self._detour is None:
            self._monitor.close()
            self._loop.remove_reader(self._descriptor)
            self._socket.close(linger=0)

    def _connected(self, event: int, value: int, endpoint: str) -> None:
        if self._connected_before:
            # What was on its way when the connection broke may be gone. What did arrive is not taken twice.
            self._window.again()
            self._soon()
        self._connected_before = True

    # Sending.

    def _soon(self) -> None:
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._more is not None:
            self._more.cancel()  # else each signal would add one turn to those to come
            self._more = None
        # ZMQ signals a change once, and any call of it may take that signal. So a turn ends only when a look at
        # the events says that nothing can be done; whatever changes after that look is signalled.
        if self._detour is not None:
            self._send_round(self._detour)
            return
        waits = True  # whether there may be something to send
        sent = 0
        while not self._over:
            if sent > BYTES_IN_A_TURN:
                self._more = self._loop.call_soon(self._turn)  # others have their turn in between
                return
            events: Any = self._socket.getsockopt(zmq.EVENTS)
            if events & _IN:
                self._take_answer()
                waits = True
            elif waits and not events & _OUT:
                self._pending = self._window.waits
                return  # the turn comes when there is room again
            elif not waits or (batch := self._window.next()) is None:
                self._pending = False
                return
            else:
                parts = batch.pack()
                try:
                    if len(parts) == 1:
                        self._socket.send(parts[0], _NOW)
                    else:
                        self._socket.send_multipart(parts, _NOW)
                except zmq.Again:
                    continue
                waits = self._window.sent()
                sent += sum(map(len, parts))

    def _send_round(self, detour: Detour) -> None:
        """Send what waits by the detour, which loses nothing and never waits."""
        sent = 0
        while not self._over:
            if sent > BYTES_IN_A_TURN:
                self._more = self._loop.call_soon(self._turn)
                return
            batch = self._window.next()
            if batch is None:
                break
            detour(batch.pack())
            self._window.sent(for_sure=True)
            sent += sum(map(len, batch.frames))
        self._pending = False

    def _take_answer(self) -> None:
        try:
            ack = Ack.unpack(self._socket.recv(_NOW))
        except zmq.Again:
            return
        except ValueError:
            self._no_answers.warn("what answers at %s is not a Civitas node", self._endpoint)
            return
        if why := self._window.take(ack):
            self._lost(why)
