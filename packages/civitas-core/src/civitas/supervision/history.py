"""`RestartHistory`: the latest restarts of all supervisors, for a root that goes on where another one led."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

__all__ = ["Past", "RestartHistory"]

_REMEMBERED = 100
"""The number kept of each supervisor: earlier ones no longer count when another root leads."""


class Past:
    """The latest restarts of one supervisor.

    Args:
        left: Those of another root that led before: when, in unix seconds, and of which child.
        changed: Called when there is one more.
    """

    def __init__(self, left: Iterable[tuple[float, str]], changed: Callable[[], None]) -> None:
        self._restarts = deque(left, maxlen=_REMEMBERED)
        self._changed = changed

    def ago(self) -> list[tuple[float, str]]:
        """How many seconds ago each was, and of which child; the oldest first."""
        now = time.time()
        return [(max(0.0, now - when), child) for when, child in self._restarts]

    def add(self, child: str) -> None:
        """One more restart."""
        self._restarts.append((time.time(), child))
        self._changed()

    def plain(self) -> list[tuple[float, str]]:
        """When, in unix seconds, and of which child."""
        return list(self._restarts)


class RestartHistory:
    """The latest restarts of all supervisors of a tree.

    Attributes:
        changed: Called when there is one more; None while no other root would take over, and none is noted.
    """

    def __init__(self) -> None:
        self.changed: Callable[[], None] | None = None
        self._left: dict[str, list[tuple[float, str]]] = {}
        self._of: dict[str, Past] = {}

    def load(self, left: Mapping[str, list[tuple[float, str]]]) -> None:
        """Take over what another root left, before the tree starts."""
        self._left, self._of = dict(left), {}

    def begin(self, supervisor: str) -> Past | None:
        """A supervisor starts: with what was left the first time, with nothing when it is itself restarted."""
        if self.changed is None:
            return None
        past = Past(self._left.pop(supervisor, ()), self.changed)
        self._of[supervisor] = past
        return past

    def plain(self) -> dict[str, list[tuple[float, str]]]:
        """By supervisor; those without a restart are left out."""
        return {name: found for name, past in self._of.items() if (found := past.plain())}
