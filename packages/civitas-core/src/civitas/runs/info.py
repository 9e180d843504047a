"""`RunInfo`: what is known of a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["RunInfo", "RunStatus"]


class RunStatus(StrEnum):
    """What became of a run so far."""

    ACCEPTED = "accepted"
    """It is in the store, and its turn has not come."""
    RUNNING = "running"
    """Its agent handles it."""
    WAITING = "waiting"
    """Its agent asked a human, and waits for a `resume`."""
    DONE = "done"
    """Its handler returned."""
    FAILED = "failed"
    """Its agent gave it up, or as many incarnations as may be were given it."""
    CANCELLED = "cancelled"
    """Somebody cancelled it, or whoever waited for it has left."""
    EXPIRED = "expired"
    """The time of whoever waited for it was up, and its agent gives up what nobody waits for."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What is known of a run.

    Attributes:
        run: Its name.
        agent: Name of the agent that it is for.
        status: What became of it so far.
        conversation: Its conversation; None without one.
        type: Type of the message that began it.
        since: Unix seconds when it was accepted.
        ended: Unix seconds when it ended; None while it has not.
        deliveries: How many incarnations were given it, as far as that is known.
        error: Why it has no answer; empty if it has, or may get one.
    """

    run: str
    agent: str
    status: RunStatus
    conversation: str | None
    type: str
    since: float
    ended: float | None = None
    deliveries: int = 0
    error: str = ""
