"""What happens in a system, as plain data: `runtime.on(...)` and the `civitas_on_event` hook get these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

__all__ = ["EVENT_TYPES", "DeadLetterReason", "Event", "EventType"]

EventType = Literal[
    "started",
    "crashed",
    "restarted",
    "gave_up",
    "terminated",
    "dead_letter",
    "node_up",
    "node_down",
    "acted",
    "blocked",
    "changed",
    "deployed",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)


class DeadLetterReason(StrEnum):
    """Why nobody will handle a message: the `reason` of a ``dead_letter`` event."""

    CRASHED = "crashed"
    """The agent crashed while it handled the message, or while the message waited."""
    EXPIRED = "expired"
    """Its deadline passed, or there was no room for it in time."""
    MAX_DELIVERIES = "max_deliveries"
    """As many incarnations as may be were given it, and none finished it."""
    TERMINATED = "terminated"
    """The agent was stopped, or its supervisor gave up."""
    LATE_REPLY = "late_reply"
    """It is a reply, and the asker has stopped waiting."""
    NODE_DOWN = "node_down"
    """The OS process of the agent went away."""
    UNKNOWN = "unknown"
    """Nobody has that name."""
    NO_READER = "no_reader"
    """It belongs to a stream, or to an ask, whose reader left."""
    FAILED = "failed"
    """A framework's run of it failed, and nobody asked with it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        type: What happened.
        name: Of the agent, supervisor or OS process it happened to.
        node: Name of the OS process it happened in, or that came up or went down; ``root`` for the one that runs the
            supervision tree.
        reason: Exit reason, or the reason of a dead letter, or what somebody did (`acted`), or the place in the code
            that blocks (`blocked`), or what `on_change` says (`changed`), or how another version came (`deployed`);
            empty if there is none.
        message: One line for a person to read.
        time: Unix seconds.
    """

    type: EventType
    name: str
    node: str
    reason: str
    message: str
    time: float
