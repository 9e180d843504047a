"""What several crashes have in common, so that a supervisor does not count each of them.

An incident is a text, the same for all of them. One that is a message ends by itself, as the message is delivered
`max_deliveries` times at most: so no supervisor gives up for it.
"""

from __future__ import annotations

__all__ = ["is_of_message", "of_message"]

_MESSAGE = "message "


def of_message(id: str) -> str:
    """The incident that a message is, by being delivered again each time it ends its agent or its OS process."""
    return _MESSAGE + id


def is_of_message(incident: str) -> bool:
    """Whether `incident` is a message that is delivered again."""
    return incident.startswith(_MESSAGE)
