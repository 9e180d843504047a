"""Lets the recipient of an ask run at once, instead of in a later turn of the event loop."""

from __future__ import annotations

import asyncio
from time import monotonic

from civitas.tools.forked import Fork

__all__ = ["Handover"]

# Seconds of one turn of the loop that recipients may run at once. It bounds how much longer a timer or a socket waits
# than without; a handler that computes for longer than this delays them as it always did.
_PER_TURN = 0.001


class Handover:
    """Wakes the reader of a mailbox for somebody who waits for its answer.

    By way of the event loop both would wait for a turn: the recipient to find the message, then the asker to find the
    answer. These two turns were measured to be half of an ask. Whoever asks has nothing to do until it is answered,
    so its time may as well go to the recipient. That is still a task of its own, with its own context; as soon as it
    waits for anything, the asker waits as well, and everything goes on as it would have.

    It stays fair. Only a part of a turn goes this way, so that an agent that asks without end starves nobody; and
    what a recipient asks in turn goes by the loop, so that a long chain of asks needs no deep stack.

    Args:
        loop: The loop of the node.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ends: float | None = None
        """When the time of this turn is used up; None while nobody used any."""
        self._open = True
        """Whether a recipient may run now: not while another does, and not when the time is used up."""

    def wake(self, reader: asyncio.Future[bool]) -> None:
        """Let the task that waits for `reader` run: now if that is fair, otherwise in a later turn."""
        # A forked child runs nobody: it ends if it comes back to the event loop.
        may = self._open and not Fork.happened and self._is_time_left()
        asker = asyncio.current_task(self._loop) if may else None
        if asker is None or len(waiting := reader._callbacks) != 1:
            reader.set_result(False)
            return
        ((step, context),) = waiting
        reader.remove_done_callback(step)
        reader.set_result(True)
        self._open = False
        # What asyncio offers to those who write tasks of their own: one task pauses, another runs.
        asyncio._leave_task(self._loop, asker)
        try:
            context.run(step, reader)
        finally:
            asyncio._enter_task(self._loop, asker)
            self._open = True

    def _is_time_left(self) -> bool:
        now = monotonic()
        if self._ends is None:
            self._ends = now + _PER_TURN
            self._loop.call_soon(self._next_turn)
        elif now >= self._ends:
            self._open = False
        return self._open

    def _next_turn(self) -> None:
        self._ends = None
        self._open = True
