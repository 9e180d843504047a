"""Which deaths of OS processes are one incident to the supervisors of their agents."""

from __future__ import annotations

from collections.abc import Collection

from civitas.process.incident import of_message

__all__ = ["Incidents"]

_REMEMBERED = 4096
"""So many messages; the oldest is forgotten."""


class Incidents:
    """Tells apart the deaths that one message causes, by being delivered again, and all others.

    `max_deliveries` bounds how often that happens. Were they counted, such messages could use up the restarts of
    everybody under the same supervisor.
    """

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def of(self, boot: str, again: Collection[str]) -> str:
        """The incident that the death of a process is.

        Args:
            boot: Which run of the process ended.
            again: The ids of the messages that its agents were handling and that are delivered again.
        """
        if not again:
            return boot
        known = (self._of[id] for id in again if id in self._of)
        # By its own id, as the crashes of its agent are.
        incident = next(known, None) or of_message(next(iter(again)))
        for id in again:
            self._of.pop(id, None)
            self._of[id] = incident
        while len(self._of) > _REMEMBERED:
            del self._of[next(iter(self._of))]
        return incident
