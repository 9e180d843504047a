"""`OwnTimers`: the timers that one run of an agent has set."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from civitas.message import Message, new_id
from civitas.process.timer import Cancellable, Timer

__all__ = ["KeptCall", "OwnTimers", "TimerKeeper"]


class KeptCall(Cancellable, Protocol):
    """A message that is kept until its time has come."""

    @property
    def writing(self) -> asyncio.Future[Any] | None:
        """Done when the store has it, or has dropped it if it was cancelled; None if nothing is to be written."""


class TimerKeeper(Protocol):
    """What keeps the messages that durable agents send later."""

    def keep(self, id: str, message: Message, delay: float) -> KeptCall:
        """Keep a message that is to be sent in `delay` seconds, and send it then; once for each `id`."""


class OwnTimers:
    """The timers that one run of an agent has set.

    Those of a durable agent are kept elsewhere, and outlive it. Each is named for the message in hand and its number in
    the handler, so that a message that is handled again sets none twice.
    """

    # Most agents set none, and an empty set is as large as a mailbox.
    __slots__ = ("_numbered", "_passing", "_writing")

    def __init__(self) -> None:
        self._passing: set[Timer] | None = None
        self._writing: set[asyncio.Future[Any]] | None = None
        """What is still being written of those that are kept."""
        self._numbered: tuple[Message | None, int] = (None, 0)
        """A message, and how many timers were set for it."""

    @property
    def passing(self) -> set[Timer]:
        """Those that end with the agent."""
        if self._passing is None:
            self._passing = set()
        return self._passing

    def next_id(self, handled: Message | None, in_hand: Message | None) -> str:
        """The id of the next that is kept.

        Args:
            handled: The message whose handler sets it; None outside of a handler.
            in_hand: The message that the agent handles now; another one if the handler has ended.
        """
        if handled is None or in_hand is None or handled.id != in_hand.id:
            return new_id()
        counted, number = self._numbered
        self._numbered = in_hand, 1 if counted is not in_hand else number + 1
        return f"{in_hand.id}-{self._numbered[1]}"

    def kept(self, call: KeptCall) -> Timer:
        """Such a timer, as the agent gets it."""
        timer = Timer()
        timer._arm(_KeptTimer(call, self))
        self.watch(call)
        return timer

    def watch(self, call: KeptCall) -> None:
        """The message in hand is not finished before that is written."""
        if call.writing is not None:
            if self._writing is None:
                self._writing = set()
            self._writing.add(call.writing)

    @property
    def unwritten(self) -> bool:
        """Whether anything is still being written."""
        return bool(self._writing)

    async def written(self) -> None:
        """Wait until everything is written."""
        while self._writing:
            self._writing -= (await asyncio.wait(self._writing))[0]

    def end(self) -> None:
        """The agent has ended."""
        if self._passing:
            for timer in tuple(self._passing):
                timer.cancel()


class _KeptTimer:
    def __init__(self, call: KeptCall, timers: OwnTimers) -> None:
        self._call = call
        self._timers = timers

    def cancel(self) -> None:
        self._call.cancel()
        self._timers.watch(self._call)
