"""`Timeline`: what happened in a system in the last hour, kept within a bound for whoever looks afterwards."""

from __future__ import annotations

import time
from collections import deque

from civitas.events import EVENT_TYPES, Event
from civitas.node.events import Events

__all__ = ["Timeline"]

KEPT_FOR = 3600.0
LONGEST = 2000
_TOO_MANY = ("started", "dead_letter")
"""Each agent starts once with its system, and a flood of dead letters would push out what matters."""


class Timeline:
    """Keeps the events of the last hour, the newest 2,000 of them.

    Args:
        events: Those of the root, where all processes of the system report theirs.
    """

    def __init__(self, events: Events) -> None:
        self._kept: deque[Event] = deque(maxlen=LONGEST)
        for type in EVENT_TYPES:
            if type not in _TOO_MANY:
                events.on(type, self._kept.append)

    def since(self, since: float | None) -> list[Event]:
        """The events after `since`, in Unix seconds, the oldest first; by default those of the last hour."""
        after = time.time() - KEPT_FOR
        if since is not None:
            after = max(after, since)
        return [each for each in self._kept if each.time > after]
