"""What happens in a member, told to the root, whose listeners hear of the whole system."""

from __future__ import annotations

from collections.abc import Callable

from civitas.events import Event
from civitas.node.events import Events

__all__ = ["report_events"]

_REPORTED = (
    "dead_letter",
    "started",
    "crashed",
    "restarted",
    "terminated",
    "gave_up",
    "blocked",
    "changed",
)


def report_events(events: Events, tell_root: Callable[..., None]) -> None:
    """Tell the root what is reported here from now on."""

    def tell(event: Event) -> None:
        tell_root(
            "event", event.type, event.name, event.node, event.reason, event.message, event.time
        )

    for event_type in _REPORTED:
        events.on(event_type, tell)
