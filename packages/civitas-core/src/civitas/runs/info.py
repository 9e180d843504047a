"""`RunInfo`: what is known of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["RunInfo", "RunStatus"]


class RunStatus(StrEnum):
    """What became of a run so far."""

    ACCEPTED = "accepted"
    """It is in the store, and its turn has not come."""
    RUNNING = "running"
    """Its agent handles it."""
    HELD = "held"
    """Its agent has begun with it, and does not go on as its code has changed: see `on_change`."""
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
        error: Why it has no answer, or why its agent does not go on with it; empty if it has, or may get one.
        begun: Unix seconds when its agent began with it last; None if it has not, or nobody knows.
        step: What its agent does: the step that began last (a node, an agent, a task, the key of a `step`), and the
            tool that is called. Empty where nobody knows.
        waits_for: What it waits for: a human's answer, `{"for": "human", "id"}` for each question, with the
            `tool`, `model`, `node` or `step` and `since` if it is whether a call happened; an agent that it
            asked, `{"for": "agent", "name"}`; another try, `{"for": "retry", "until"}` in Unix seconds; code that fits
            it, `{"for": "code", "change"}` for each difference.
        usage: What its models used so far: `requests`, `input_tokens`, `output_tokens` and `total_tokens`; None if
            nobody reports it.
        cost: What they cost so far, in US dollars; None if nothing says so, of some call at least. Both count
            what earlier deliveries have recorded; a call that a kill interrupted is not known.
        steps: The newest 100 steps, each with its `kind` (`step`, `tool`, `model` or `node`), `name`, `since` in Unix
            seconds, `seconds` (None while it goes on), `bytes` of its recorded result, whether that was `recorded` by
            an earlier delivery, and the class name of its `error`. Only of one run (`Runtime.run_info`).
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
    begun: float | None = None
    step: str = ""
    waits_for: tuple[Mapping[str, Any], ...] = ()
    usage: Mapping[str, int] | None = None
    cost: float | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
