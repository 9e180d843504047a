"""The receiving side: takes the batches of all links, a bounded number in a turn of the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection

from civitas.message.large import Buffer
from civitas.transport.batches import Ack, Batch
from civitas.transport.throttled_log import ThrottledLog
from civitas.transport.window import ReceiveWindow

__all__ = ["NatsInbox"]

log = logging.getLogger("civitas.transport")

_FRAMES_IN_A_TURN = 200
_BYTES_IN_A_TURN = 1024 * 1024


class NatsInbox:
    """Takes what other nodes send.

    Args:
        run: Of this node.
        receive: Called with each frame.
        answer: Called with the link that a batch came on, the subject for its acknowledgement, and that.
        known: Says which senders this node knows: their links are never forgotten, however long they are silent.
    """

    def __init__(
        self,
        run: bytes,
        receive: Callable[[Buffer], None],
        answer: Callable[[bytes, bytes, Ack], None],
        known: Callable[[], Collection[bytes]],
    ) -> None:
        self._window = ReceiveWindow(run, known)
        self._receive = receive
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._batches: deque[tuple[bytes, bytes]] = deque()
        """As they came, and who waits for an answer."""
        self._frames: deque[Buffer] = deque()
        self._turn: asyncio.Handle | None = None
        self._over = False
        self._no_batches = ThrottledLog(log)

    def arrived(self, _: bytes, reply: bytes, raw: bytes, __: bytes) -> None:
        """Take a message of the server's. What came first in a turn of the loop is handed over at once."""
        self._batches.append((raw, reply))
        if self._turn is None and not self._over:
            # What else comes in this turn waits for the next one, and so does what is too much for this one.
            self._turn = self._loop.call_soon(self._take_turn)
            self._hand_over(_FRAMES_IN_A_TURN)

    def pump(self) -> None:
        """Hand over everything that has arrived."""
        self._hand_over(None)

    def close(self) -> None:
        """Receive no more."""
        self._over = True
        if self._turn is not None:
            self._turn.cancel()
        self._batches.clear()
        self._frames.clear()
        self._no_batches.close()

    def _take_turn(self) -> None:
        self._turn = None
        if self._hand_over(_FRAMES_IN_A_TURN) and self._turn is None:
            self._turn = self._loop.call_soon(self._take_turn)

    def _hand_over(self, most: int | None) -> bool:
        """Hand over frames, at most so many; return whether there may be more."""
        done = size = 0
        while not self._over:
            if not self._frames:
                if not self._batches:
                    return False
                self._take_batch(*self._batches.popleft())
            while self._frames and not self._over:
                if most is not None and (done == most or size > _BYTES_IN_A_TURN):
                    return True
                frame = self._frames.popleft()
                done += 1
                size += len(frame)
                try:
                    self._receive(frame)
                except Exception:
                    log.exception("a frame that arrived could not be handled")
        return False

    def _take_batch(self, raw: bytes, reply: bytes) -> None:
        try:
            batch = Batch.unpack([raw])
            self._frames.extend(self._window.take(batch))
        except ValueError as error:
            self._no_batches.warn("received something that is not a Civitas batch: %s", error)
            return
        if batch.answer and reply:
            # Where it was meant for an earlier run of this node, this tells its sender whom it reached.
            self._answer(batch.link, reply, self._window.ack(batch.link))
