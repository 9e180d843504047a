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

    __slots__ = ("_among", "_due")

    def __init__(self) -> None:
        self._due: Cancellable | None = None
        self._among: set[Timer] | None = None

    def _arm(self, due: Cancellable, among: set[Timer] | None = None) -> None:
        """Remember what to cancel, and be among these until it was sent."""
        self._due = due
        self._among = among
        if among is not None:
            among.add(self)

    def _fired(self) -> None:
        """It was sent; there is nothing left to cancel."""
        self._due = None
        if self._among is not None:
            self._among.discard(self)

    def cancel(self) -> None:
        """Do not send it; does nothing if it was sent already."""
        if self._due is not None:
            self._due.cancel()
        self._fired()
