"""Takes messages out of the middle of a queue, in any order, without a search for each."""

from __future__ import annotations

from collections import deque

from civitas.message import Message

__all__ = ["Withdrawn"]

_FEW = 64
"""So many that were withdrawn may stand in a queue in any case."""


class Withdrawn:
    """What was withdrawn from a queue and still stands in it, to be left out when its turn comes.

    Thousands of asks may time out at once. It is made when the first message is withdrawn, and must hear of each that
    is put into the queue from then on.

    Args:
        queue: The queue.
    """

    __slots__ = ("_live", "_queue", "count")

    def __init__(self, queue: deque[Message]) -> None:
        self._queue = queue
        self._live = {each.id for each in queue}
        self.count = 0
        """How many that are in the queue were withdrawn."""

    @property
    def over(self) -> bool:
        """Whether there is nothing to leave out, and nothing that could be withdrawn."""
        return not self._queue

    def put(self, message: Message) -> None:
        """A message was put into the queue."""
        self._live.add(message.id)

    def add(self, id: str) -> bool:
        """Withdraw a message; False if it does not stand in the queue."""
        if id not in self._live:
            return False
        self._live.discard(id)
        self.count += 1
        if not self._live:
            self._clear()
        elif self.count > _FEW and 2 * self.count > len(self._queue):
            self.leave_out()
        return True

    def next_live(self, message: Message) -> Message:
        """`message`, which was just taken from the queue, or the next behind it that was not withdrawn.

        There is one: a queue of nothing but withdrawn messages is cleared.
        """
        while message.id not in self._live:
            self.count -= 1
            message = self._queue.popleft()
        self._live.discard(message.id)
        if not self._live:
            self._clear()
        return message

    def _clear(self) -> None:
        self._queue.clear()
        self.count = 0

    def leave_out(self) -> None:
        """Take out of the queue all that was withdrawn."""
        live = [each for each in self._queue if each.id in self._live]
        self._clear()
        self._queue.extend(live)
