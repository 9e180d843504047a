"""The sending side: a DEALER that sends batches, and takes their acknowledgements."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import zmq

from civitas.transport.contract import Detour, check_frame
from civitas.transport.seldom import Seldom
from civitas.transport.zmq.monitor import Monitor
from civitas.transport.zmq.pulse import Pulse
from civitas.transport.zmq.wire import ANY_RUN, BATCH, BYTES_IN_A_TURN, Ack, Batch

__all__ = ["ZmqLink"]

log = logging.getLogger("civitas.transport")

_ANSWER_BATCHES = 32
_ANSWER_BYTES = 1024 * 1024
"""After so many batches or bytes an acknowledgement is asked for; what has none yet is kept to be sent again."""


class ZmqLink:
    """A `Link` over a DEALER socket.

    Args:
        socket: Configured, not connected; the link owns it.
        pulse: Another one.
        endpoint: To connect to.
        id: Of the link.
        run: The run of the node there, or `ANY_RUN` for whichever answers first.
        timeout: Seconds without a connection after which the link is lost.
        lost: Called once when it is.
        detour: Where batches go when there was no connection for that long; None where the link is lost then.
        closed: Called once when the link is over.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        pulse: zmq.Socket[bytes],
        endpoint: str,
        id: bytes,
        run: bytes,
        *,
        timeout: float,
        lost: Callable[[], None],
        detour: Detour | None,
        closed: Callable[[ZmqLink], None],
    ) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self.run = run
        self._lost = lost
        self._detour = detour
        self._closed = closed
        self._id = id
        self._loop = asyncio.get_running_loop()
        self._urgent: deque[bytes] = deque()
        self._others: deque[bytes] = deque()
        self._next_number = 0
        self._unsent: deque[Batch] = deque()
        self._unanswered: deque[Batch] = deque()
        self._arrived = 0  # how many batches the other side has for sure
        self._asked_at = 0  # the number of the batch that asked for the last acknowledgement
        self._bytes_since = 0
        self._pending = False  # whether a turn is coming that will send
        self._flushing: list[
            asyncio.Future[None]
        ] = []  # to be set when all that waits is acknowledged
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()  # when this number is
        self._connected_before = False
        self._no_answers = Seldom(log)
        self._over = False
        self._cut_off = False  # whether batches take the detour
        self._pulse = Pulse(
            pulse,
            endpoint,
            timeout=timeout,
            back=self._reconnect,
            lost=lambda: self._unreachable(f"it could not be reached for {timeout:g} s"),
        )
        self._monitor = Monitor(socket, zmq.Event.HANDSHAKE_SUCCEEDED, self._connected)
        self._descriptor: int = socket.FD
        self._loop.add_reader(self._descriptor, self._turn)
        socket.connect(endpoint)

    # What the node calls.

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame; see `Link.send`."""
        check_frame(frame)
        if self._over:
            return
        (self._urgent if urgent else self._others).append(frame)
        self._soon()

    async def flushed(self) -> None:
        """Wait for everything so far to be received; see `Link.flushed`."""
        if self._over:
            return
        arrived: asyncio.Future[None] = self._loop.create_future()
        self._flushing.append(arrived)
        self._soon()
        await arrived

    def close(self) -> None:
        """End it, and drop what waits."""
        if self._over:
            return
        self._over = True
        self._hang_up()
        for queue in (self._urgent, self._others, self._unsent, self._unanswered):
            queue.clear()
        self._flushing.extend(arrived for _, arrived in self._waiting)
        for arrived in self._flushing:
            if not arrived.done():
                arrived.set_result(None)
        self._closed(self)

    def _hang_up(self) -> None:
        if not self._cut_off:
            self._pulse.close()
            self._monitor.close()
            self._loop.remove_reader(self._descriptor)
            self._socket.close(linger=0)

    # Sending.

    def _soon(self) -> None:
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        # ZMQ signals a change once, and any call of it may take that signal. So a turn ends only when a look at
        # the events says that nothing can be done; whatever changes after that look is signalled.
        if self._cut_off:
            self._send_round()
            return
        sent = 0
        while not self._over:
            if sent > BYTES_IN_A_TURN:
                self._loop.call_soon(self._turn)  # others have their turn in between
                return
            events = int(self._socket.events)
            if events & zmq.POLLIN:
                self._take_answer()
            elif not (self._unsent or self._urgent or self._others):
                if not self._flushing:
                    self._pending = False
                    return
                number = self._ask()
                self._waiting.extend((number, arrived) for arrived in self._flushing)
                self._flushing.clear()
            elif events & zmq.POLLOUT:
                sent += self._send_one()
            else:
                return  # still pending: the turn comes when there is room again

    def _send_one(self) -> int:
        """Send a batch, if there is room; return its bytes."""
        batch = self._unsent[0] if self._unsent else self._gather()
        parts = batch.pack()
        try:
            if len(parts) == 1:
                self._socket.send(parts[0], zmq.NOBLOCK)
            else:
                self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            return 0
        self._unsent.popleft()
        self._unanswered.append(batch)
        return sum(map(len, parts))

    def _send_round(self) -> None:
        """Send everything that waits by the detour, which loses nothing and never waits."""
        self._pending = False
        while not self._over and (self._unsent or self._urgent or self._others):
            if not self._unsent:
                self._gather()
            assert self._detour is not None  # else it would not be cut off
            self._detour(self._unsent.popleft().pack())
        for arrived in (*self._flushing, *(each for _, each in self._waiting)):
            if not arrived.done():
                arrived.set_result(None)
        self._flushing.clear()
        self._waiting.clear()

    def _gather(self) -> Batch:
        """Make a batch of what waits, the urgent frames first."""
        frames: list[bytes] = []
        size = 0
        for queue in (self._urgent, self._others):
            while queue:
                more = len(queue[0])
                if frames and size + more > BATCH:
                    break
                frames.append(queue.popleft())
                size += more
            if queue:
                break
        self._bytes_since += size
        answer = (
            self._bytes_since >= _ANSWER_BYTES
            or self._next_number - self._asked_at >= _ANSWER_BATCHES
        )
        return self._append(frames, answer=answer or self.run == ANY_RUN)

    def _append(self, frames: list[bytes], *, answer: bool) -> Batch:
        batch = Batch(self.run, self._id, self._next_number, answer, frames)
        self._next_number += 1
        if answer:
            self._asked_at = batch.number
            self._bytes_since = 0
        self._unsent.append(batch)
        return batch

    def _ask(self) -> int:
        """Ask for an acknowledgement, with an empty batch; return its number."""
        return self._append([], answer=True).number

    # What comes back.

    def _take_answer(self) -> None:
        try:
            ack = Ack.unpack(self._socket.recv(zmq.NOBLOCK))
        except zmq.Again:
            return
        except ValueError:
            self._no_answers.warn("what answers at %s is no node of Civitas", self._endpoint)
            return
        if self.run == ANY_RUN:
            self.run = ack.run
        elif self.run != ack.run:
            self._end("another node came up in its place")
            return
        if self._arrived and not ack.expected:
            self._end("the node there has taken this one for gone, and forgotten the link")
            return
        self._arrived = max(self._arrived, ack.expected)
        while self._unanswered and self._unanswered[0].number < ack.expected:
            self._unanswered.popleft()
        while self._waiting and self._waiting[0][0] < ack.expected:
            _, arrived = self._waiting.popleft()
            if not arrived.done():
                arrived.set_result(None)

    def _reconnect(self) -> None:
        # The node was away for a while. Whether this connection outlived that too is not known, and may not be for
        # minutes, so there is a new one.
        self._socket.disconnect(self._endpoint)
        self._socket.connect(self._endpoint)
        self._connected_before = True

    def _connected(self, event: int, value: int, endpoint: str) -> None:
        if self._connected_before:
            # What was on its way when the connection broke may be gone. What did arrive is not taken twice.
            self._unsent.extendleft(reversed(self._unanswered))
            self._unanswered.clear()
            self._ask()
            self._soon()
        self._connected_before = True

    def _unreachable(self, why: str) -> None:
        if self._detour is None:
            self._end(why)
            return
        log.warning("%s: %s; what is sent there goes another way from now on", self._endpoint, why)
        self._hang_up()
        self._cut_off = True
        # What of it did arrive is not taken twice.
        self._unsent.extendleft(reversed(self._unanswered))
        self._unanswered.clear()
        self._pending = True
        self._loop.call_soon(self._turn)

    def _end(self, why: str) -> None:
        log.info("the link to %s is lost: %s", self._endpoint, why)
        self.close()
        self._lost()
