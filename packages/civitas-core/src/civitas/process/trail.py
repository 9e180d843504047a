"""`Trail`: the steps that the handling of a message has taken, for whoever looks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

__all__ = ["StepTaken", "Trail"]

_MOST = 100
"""So many steps are remembered, the newest."""
_LONGEST = 200
"""Characters of a name."""


@dataclass(slots=True, eq=False)
class StepTaken:
    """A step that began.

    Attributes:
        kind: `step`, `tool`, `model`, `node`.
        name: The key of a `step`, or the name of the tool, the model, the node or the task.
        since: Unix seconds when it began.
        seconds: How long it took; None while it goes on.
        bytes: Size of its result as it is recorded; None if that is not known.
        recorded: Whether its result was recorded before this delivery, so that nothing was done.
        error: Class name of what it raised; empty if it did not.
    """

    kind: str
    name: str
    since: float = field(default_factory=time.time)
    seconds: float | None = None
    bytes: int | None = None
    recorded: bool = False
    error: str = ""

    def ends(self, error: BaseException | None = None) -> None:
        """It is done, or raised."""
        self.seconds = max(0.0, time.time() - self.since)
        self.error = type(error).__name__ if error is not None else ""


class Trail:
    """The newest steps of one message. They begin and end in any thread, and may be read at any moment."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: list[StepTaken] = []

    def begins(self, kind: str, name: str) -> StepTaken:
        """A step begins; whoever says so says when it ends."""
        step = StepTaken(kind, name[:_LONGEST])
        self._steps.append(step)
        del self._steps[:-_MOST]
        return step

    def plain(self) -> list[list[Any]]:
        """As plain data, in the order in which they began."""
        return [
            [
                each.kind,
                each.name,
                each.since,
                each.seconds,
                each.bytes,
                each.recorded,
                each.error,
            ]
            for each in list(self._steps)
        ]
