"""Takes back what nobody waits for any more: at once, or where thousands give up together, in turn."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from civitas.message import Message
from civitas.node.registry import Recipient

if TYPE_CHECKING:
    import asyncio

    from civitas.process import Turns
    from civitas.runs.acceptance import Acceptance

__all__ = ["TakesBack", "Withdrawals"]


@runtime_checkable
class TakesBack(Protocol):
    """An entry whose messages are kept by another node, which must hear that nobody waits for one any more."""

    def take_back(self, message: Message, *, reader_left: bool = False) -> None:
        """Nobody waits for `message` any more."""


class Withdrawals:
    """Takes back what nobody waits for any more.

    Args:
        loop: The loop of the node.
        turns: Knows how long its turn is already.
        runs: Keeps the messages of durable agents; None where another node does.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, turns: Turns, runs: Acceptance | None
    ) -> None:
        self._loop = loop
        self._turns = turns
        self._runs = runs
        self._given_up: deque[tuple[Recipient, Message, bool]] = deque()

    def take_back(self, cell: Recipient, message: Message, *, reader_left: bool = False) -> None:
        """Take `message` back, or cancel its handler, if its agent wants that; perhaps a little later."""
        if not self._given_up:
            if not self._turns.long:
                self.now(cell, message, reader_left=reader_left)
                return
            self._loop.call_soon(self._take_more)
        self._given_up.append((cell, message, reader_left))

    def now(self, cell: Recipient, message: Message, *, reader_left: bool = False) -> None:
        """The same, at once."""
        if self._runs is None:
            if isinstance(cell.entry, TakesBack):
                cell.entry.take_back(message, reader_left=reader_left)
            else:
                cell.withdraw(message, reader_left=reader_left)
        elif not self._runs.ending.left(message, reader_left=reader_left):
            cell.withdraw(message, reader_left=reader_left)

    def _take_more(self) -> None:
        while self._given_up and not self._turns.long:
            cell, message, reader_left = self._given_up.popleft()
            self.now(cell, message, reader_left=reader_left)
        if self._given_up:
            self._loop.call_soon(self._take_more)
