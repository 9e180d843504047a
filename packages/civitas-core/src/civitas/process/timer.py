"""`Timer`: a message that is sent later."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Cancellable", "Timer"]


class Cancellable(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class Timer:
    """What `send_after` returns. It ends with the incarnation that made it, unless the agent is durable."""

    __slots__ = ("_due", "_timers")

    def __init__(self, timers: set[Timer]) -> None:
        self._due: Cancellable | None = None
        self._timers = timers
        timers.add(self)

    def arm(self, due: Cancellable) -> None:
        """Remember what to cancel."""
        self._due = due

    def fired(self) -> None:
        """It was sent; there is nothing left to cancel."""
        self._due = None
        self._timers.discard(self)

    def cancel(self) -> None:
        """Do not send it; does nothing if it was sent already."""
        if self._due is not None:
            self._due.cancel()
        self.fired()
