"""What happens in a system, as plain data: `runtime.on(...)` and the `civitas_on_event` hook get these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["EVENT_TYPES", "Event", "EventType"]

EventType = Literal[
    "started",
    "crashed",
    "restarted",
    "gave_up",
    "terminated",
    "dead_letter",
    "node_up",
    "node_down",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        type: What happened.
        name: Of the agent, supervisor or OS process it happened to.
        node: Name of the OS process it happened in, or that came up or went down; ``root`` for the one that runs the
            supervision tree.
        reason: Exit reason, or the reason of a dead letter; empty if there is none.
        message: One line for a person to read.
        time: Unix seconds.
    """

    type: EventType
    name: str
    node: str
    reason: str
    message: str
    time: float
