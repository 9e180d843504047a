"""The receiving side: a ROUTER that takes the batches of all links, and acknowledges them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import zmq

from civitas.message.large import Buffer
from civitas.transport.batches import Batch, Mark
from civitas.transport.standing import Belongs
from civitas.transport.throttled_log import ThrottledLog
from civitas.transport.window import ReceiveWindow
from civitas.transport.zmq.looking import look_in
from civitas.transport.zmq.monitor import HUNG_UP, REFUSED, SocketMonitor
from civitas.transport.zmq.standing import answer, question_in

__all__ = ["BYTES_IN_A_TURN", "Inbox"]

log = logging.getLogger("civitas.transport")

# As plain numbers: with pyzmq's enums, each look at them takes as long as a small frame.
_IN, _NOW = int(zmq.POLLIN), int(zmq.NOBLOCK)

_FRAMES_IN_A_TURN = 200

BYTES_IN_A_TURN = 1024 * 1024
"""A turn of the event loop takes or sends so many, and one frame more: large frames one after the other would keep it
for seconds."""

_MOST_AHEAD = 256
"""So many messages are read ahead while the event loop is blocked; a batch is of 64 KiB, or one piece of a frame."""


class Inbox:
    """Takes what other nodes send.

    Args:
        socket: A ROUTER, bound; the inbox owns it.
        run: Of this node.
        receive: Called with each frame.
        known: Says which senders this node knows: their links are never forgotten, however long they are silent.
        belongs: Says whether the node at an address belongs to the system; None where this one does not know.
        looked: Called, in any thread, with who looks into this node and what it wants to know.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        run: bytes,
        receive: Callable[[Buffer], None],
        known: Callable[[], Collection[bytes]],
        belongs: Belongs,
        looked: Callable[[bytes, bytes], None],
    ) -> None:
        self._socket = socket
        self._in_use = threading.Lock()
        """Held while the socket is used: another thread may, while the event loop is blocked."""
        self._ahead: deque[list[bytes]] = deque()
        """What that has read."""
        self._looked = looked
        self.turns = 0
        """How often it has read what arrived."""
        self._window = ReceiveWindow(run, known)
        self._receive = receive
        self._belongs = belongs
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Buffer] = deque()
        self._more: asyncio.Handle | None = None
        self._over = False
        self._no_batches = ThrottledLog(log)
        self._refusals = ThrottledLog(log)
        # If there are keys, one without them sees as soon as we do that it does not get in.
        failures = REFUSED | HUNG_UP if socket.mechanism == zmq.CURVE else REFUSED
        self._monitor = SocketMonitor(socket, failures, self._refused)
        self.descriptor: int = socket.FD
        self._loop.add_reader(self.descriptor, self._turn)

    def pump(self) -> None:
        """Hand over everything that has arrived already."""
        self._turn(None)

    def take_parcel(self, parcel: Sequence[bytes]) -> None:
        """Take a batch that came by a detour; nobody waits for its acknowledgement."""
        self._arrived.extend(self._window.take(Batch.unpack(parcel)))
        if self._more is None:
            self._more = self._loop.call_soon(self._turn)

    def close(self) -> None:
        """Receive no more."""
        with self._in_use:
            self._over = True
        if self._more is not None:
            self._more.cancel()
        self._monitor.close()
        self._loop.remove_reader(self.descriptor)
        with self._in_use:
            self._socket.close(linger=0)
        self._ahead.clear()
        self._arrived.clear()
        self._no_batches.close()
        self._refusals.close()

    def _turn(self, most: int | None = _FRAMES_IN_A_TURN) -> None:
        """Hand over frames, at most so many; what is left has another turn."""
        if self._more is not None:
            self._more.cancel()
            self._more = None
        self.turns += 1
        arrived = self._arrived
        done = size = 0
        while most is None or (done < most and size <= BYTES_IN_A_TURN):
            if self._over:
                return
            if not arrived:
                with self._in_use:  # without a call, as all that comes is read here
                    if self._ahead:
                        message = self._ahead.popleft()
                    else:
                        events: Any = self._socket.getsockopt(zmq.EVENTS)
                        if not events & _IN:
                            return  # what comes after this look is signalled
                        try:
                            message = self._socket.recv_multipart(_NOW)
                        except zmq.Again:
                            return
                sender, *parts = message
                try:
                    batch = Batch.unpack(parts)
                    arrived.extend(self._window.take(batch))
                except ValueError as error:
                    if (address := question_in(parts)) is not None:
                        self._tell_whether_it_belongs(sender, address)
                        continue
                    if (question := look_in(parts)) is not None:
                        self._looked(sender, question)
                        continue
                    self._no_batches.warn(
                        "received something that is not a Civitas batch: %s", error
                    )
                    continue
                if batch.marks & Mark.PIECE:  # all others count when they are handed over
                    size += sum(map(len, batch.frames))
                if batch.marks & Mark.ANSWER:
                    self._answer(sender, batch.link)
                continue
            frame = arrived.popleft()
            done += 1
            size += len(frame)
            try:
                self._receive(frame)
            except Exception:
                log.exception("a frame that arrived could not be handled")
        if not self._over:
            # There may be more, of which ZMQ has told already.
            self._more = self._loop.call_soon(self._turn)

    def read_ahead(self) -> None:
        """Read what has arrived, in another thread than that of the event loop: questions are taken, the rest waits."""
        with self._in_use:
            while not self._over and len(self._ahead) < _MOST_AHEAD:
                events: Any = self._socket.getsockopt(zmq.EVENTS)
                if not events & _IN:
                    break
                try:
                    message = self._socket.recv_multipart(_NOW)
                except zmq.Again:
                    break
                if (question := look_in(message[1:])) is not None:
                    self._looked(message[0], question)
                else:
                    self._ahead.append(message)
        self._look_again()

    def tell(self, sender: bytes, told: bytes) -> None:
        """Send something back, from any thread; it is dropped where its reader is too slow for it."""
        with self._in_use, suppress(zmq.ZMQError):
            if not self._over:
                self._socket.send_multipart((sender, told), _NOW)
        self._look_again()

    def _look_again(self) -> None:
        """Any use of a socket may take the signal that the event loop waits for."""
        with suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._turn)

    def _answer(self, sender: bytes, link: bytes) -> None:
        # Where a batch was meant for an earlier run of this node, it tells its sender whom it reached.
        ack = self._window.ack(link).pack()
        # One that ZMQ drops does no harm: the next says the same and more.
        with self._in_use, suppress(zmq.ZMQError):
            self._socket.send_multipart((sender, ack), _NOW)

    def _tell_whether_it_belongs(self, sender: bytes, address: str) -> None:
        if (belongs := self._belongs(address)) is not None:
            with self._in_use, suppress(zmq.ZMQError):  # it asks again
                self._socket.send_multipart((sender, answer(belongs)), _NOW)

    def _refused(self, event: int, value: int, endpoint: str) -> None:
        # Who is refused comes back twice a second.
        self._refusals.warn(
            "refused a node at %s: it is not part of this system, or does not have its keys",
            endpoint,
        )
