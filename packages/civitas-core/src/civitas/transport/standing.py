"""Whether a process still belongs to its system, as far as it can know: what a carrier may offer for that.

A root gives up whom it has not heard for the node timeout, and lets others do its work. Who was stopped or cut off for
so long cannot know that by itself, and must not go on before it does. So a process acts for a while after it could
surely be heard last, by its own clock, and that while is shorter than the patience of the root. Then it is held up, and
asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from civitas.launch import Fence

__all__ = ["Belongs", "Fencing", "Standing"]

Belongs: TypeAlias = Callable[[str], bool | None]
"""Says whether the node at an address belongs to the system; None while that is not known."""

_ACTS_FOR = 0.8
"""Of the node timeout: so long a process acts after it could surely be heard last."""
_KEEPS_ON_AFTER = 0.5
"""Of the node timeout: so long one is held up at most that keeps on where nobody answers."""


@runtime_checkable
class Fencing(Protocol):
    """What the transport of a node may offer."""

    def vouch(self, belongs: Belongs) -> None:
        """At the root: answer those who ask whether they still belong to the system.

        Args:
            belongs: Called in the event loop.
        """
        ...

    def hold_by(self, fence: Fence, root: str) -> None:
        """At a process that the root has just taken in: hold it up from now on whenever it may have been given up.

        Until the fence is opened. One that was given up loses it.

        Args:
            fence: Of the process.
            root: The address of the root.
        """
        ...


class Standing:
    """Decides whether a process may act. `may` is for the main thread, the rest for any.

    Args:
        node_timeout: Seconds without a word after which the root gives it up.
        lost: Called with the reason when it may never act again.
        acts_for: Seconds that it acts after it could surely be heard last; 0.8 of the node timeout by default.
        keeps: Whether it goes on where the root cannot be asked.
        now: Tells the time, in seconds.
    """

    def __init__(
        self,
        node_timeout: float,
        lost: Callable[[str], object],
        *,
        acts_for: float | None = None,
        keeps: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._timeout = node_timeout
        self._lost = lost
        self._acts_for = _ACTS_FOR * node_timeout if acts_for is None else acts_for
        self._keeps = keeps
        self._now = now
        self._heard = now()
        self._doubted_at: float | None = None
        self._keeps_on = False

    @property
    def is_in_doubt(self) -> bool:
        """Whether the root is to be asked."""
        return self._doubted_at is not None

    def heard(self, at: float) -> None:
        """It could surely be heard at that time. Does not end a doubt: by then it may have been given up."""
        if self._doubted_at is not None:
            return
        if (now := self._now()) - self._heard < self._acts_for:
            self._heard = max(self._heard, at)
        else:
            self._doubted_at = now

    def can_be_asked(self) -> None:
        """The root can be reached: it is waited for from now on, and nothing more is done before it answers."""
        if self._doubted_at is not None:
            self._doubted_at, self._keeps_on = self._now(), False

    def nobody_answers(self) -> None:
        """The root was asked, or could not even be."""
        self._keeps_on = self._keeps

    def answered(self, belongs: bool, asked_at: float) -> None:
        """The root says whether it belongs to the system, which it was asked at that time."""
        if belongs:
            self._heard = max(self._heard, asked_at)
            self._doubted_at, self._keeps_on = None, False
        else:
            self._lost("the root has gone on without it")

    def may(self) -> bool:
        """Whether it may act now."""
        now = self._now()
        if self._doubted_at is None:
            if now - self._heard < self._acts_for:
                return True
            self._doubted_at = now
        waited = now - self._doubted_at
        if self._keeps:
            return self._keeps_on or waited >= _KEEPS_ON_AFTER * self._timeout
        if waited >= self._timeout:
            self._lost(f"the root could not be reached for {now - self._heard:.0f} s")
        return False
