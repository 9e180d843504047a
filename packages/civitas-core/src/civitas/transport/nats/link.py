"""The sending side: what waits for one other node, and how it is found out what of it arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from civitas.transport.batches import BATCH, Ack, Batch, Mark
from civitas.transport.contract import check_frame
from civitas.transport.window import SendWindow

__all__ = ["NatsLink"]

_IN_FLIGHT = 96
"""Batches that may be on their way: the server would drop who is sent more than it can keep for a slow one. More than
the window sends before it asks for an acknowledgement."""
_ASK = 0.2
"""Seconds after which it is asked what arrived of what was sent last."""
_ASK_AT_MOST = 2.0
"""The same where nobody answers."""
_NO_NUMBER = 2**64 - 1
"""Of a batch that holds nothing and is never expected: its receiver only answers it."""


class NatsLink:
    """A `Link` through a server that forgets what it cannot deliver.

    Args:
        id: Of the link.
        run: The run of the node there, or `ANY_RUN` for whichever answers first.
        wanted: Called when there is something to send.
        lost: Called with the reason where the node that answers is not the one it was.
        closed: Called once when the link is over.
    """

    def __init__(
        self,
        id: bytes,
        run: bytes,
        *,
        wanted: Callable[[], None],
        lost: Callable[[str], None],
        closed: Callable[[NatsLink], None],
    ) -> None:
        self.id = id
        self.over = False
        self._window = SendWindow(id, run, most=BATCH)
        self._put = self._window.put
        self._wanted = wanted
        self._lost = lost
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._asking: asyncio.TimerHandle | None = None
        self._pause = _ASK
        self._sent = (
            0  # how many batches have left, and will be received in this order or not at all
        )
        self._question = 0
        self._asked_at: int | None = (
            None  # `_sent` when the question was asked; None: there is none to ask
        )
        self._ask_now = False

    @property
    def run(self) -> bytes:
        """The run of the node there, or `ANY_RUN` while none has answered."""
        return self._window.run

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame; see `Link.send`."""
        if len(frame) > BATCH:
            check_frame(frame)
        if not self.over:
            self._put(frame, urgent=urgent)
            self._wanted()

    async def flushed(self) -> None:
        """Wait for everything so far to be received; see `Link.flushed`."""
        if not self.over:
            arrived = self._window.flush()
            self._wanted()
            await arrived

    def close(self) -> None:
        """End it, and drop what waits."""
        if self.over:
            return
        self.over = True
        if self._asking is not None:
            self._asking.cancel()
        self._window.close()
        self._closed(self)

    # What the sender of the transport calls.

    def next(self) -> tuple[Batch, str] | None:
        """What is to be sent now, and what its acknowledgement is to be about; None if nothing is."""
        if self.over:
            return None
        if self._ask_now:
            self._ask_now = False
            self._question += 1
            self._asked_at = self._sent
            return Batch(self.run, self.id, _NO_NUMBER, [], Mark.ANSWER), str(self._question)
        if self._window.unanswered >= _IN_FLIGHT or (batch := self._window.next()) is None:
            return None
        self._window.sent()
        self._sent = batch.number + 1
        if self._asking is None:
            self._asking = self._loop.call_later(self._pause, self._ask)
        return batch, "0"

    def take(self, ack: Ack, about: str) -> None:
        """Take an acknowledgement."""
        if why := self._window.take(ack):
            self._lost(why)
            return
        self._pause = _ASK
        if about == str(self._question) and self._asked_at is not None:
            asked_at, self._asked_at = self._asked_at, None
            if ack.expected < asked_at:
                self._window.again()  # what left before the question did not arrive before it
        if self._window.waits:
            self._wanted()

    def again(self) -> None:
        """What left may be lost."""
        if not self.over and self._window.is_unsure:
            self._window.again()
            self._asked_at = None
            self._wanted()

    def _ask(self) -> None:
        self._asking = None
        if self.over or not self._window.is_unsure:
            return
        self._ask_now = True
        self._asking = self._loop.call_later(self._pause, self._ask)
        self._pause = min(2 * self._pause, _ASK_AT_MOST)
        self._wanted()
