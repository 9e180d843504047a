"""What several crashes have in common, so that a supervisor does not count each of them.

An incident is a text, the same for all of them. One that is a message ends by itself, as the message is delivered
`max_deliveries` times at most: so no supervisor gives up for it. Nor for a process that was stopped on purpose.
"""

from __future__ import annotations

__all__ = ["is_departure", "is_of_message", "of_departure", "of_message"]

_MESSAGE = "message "
_DEPARTURE = "departure "


def of_message(id: str) -> str:
    """The incident that a message is, by being delivered again each time it ends its agent or its OS process."""
    return _MESSAGE + id


def is_of_message(incident: str) -> bool:
    """Whether `incident` is a message that is delivered again."""
    return incident.startswith(_MESSAGE)


def of_departure(boot: str) -> str:
    """The incident that an OS process has left in order, by its run."""
    return _DEPARTURE + boot


def is_departure(incident: str) -> bool:
    """Whether `incident` is the end of an OS process that has left in order."""
    return incident.startswith(_DEPARTURE)
