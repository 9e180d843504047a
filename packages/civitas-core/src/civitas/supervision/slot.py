"""What a supervisor knows of a child, and what it has to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from civitas.process import Cell, ExitReason
from civitas.supervision.child import Child
from civitas.supervision.clock import ClockTimer
from civitas.supervision.policy import status_after

__all__ = ["Adding", "Due", "Ended", "Slot", "SlotState", "dues_of"]


class SlotState(Enum):
    """Whether a child runs, and whether it will."""

    UP = auto()
    """It runs."""
    DOWN = auto()
    """It ended, and is not to be started again for itself."""
    PENDING = auto()
    """It ended, and is to be started again: when its own wait is over, or with the sibling it was stopped for."""


@dataclass(slots=True, eq=False)
class Slot:
    """A child and what its supervisor knows of it.

    Attributes:
        child: The child.
        spec: What it was made from.
        state: Whether it runs.
        generation: Counts its starts, so that the end of an earlier one is not taken for that of the present one.
        due: Set while the child waits for its own restart, and leads that of its group.
        timer: Puts `due` into the work list.
        cause: Why it is to be started again.
        resumes: When it is started again, in unix seconds; None where no time is set.
        here: The child if it is an agent of this OS process: to start it needs no task that waits for that.
    """

    child: Child
    spec: Any = None
    state: SlotState = SlotState.DOWN
    generation: int = 0
    due: Due | None = None
    timer: ClockTimer | None = None
    cause: ExitReason | None = None
    resumes: float | None = None
    here: Cell | None = field(init=False)

    def __post_init__(self) -> None:
        self.here = self.child if isinstance(self.child, Cell) else None

    def has_ended(self, reason: ExitReason) -> None:
        """Show at once that the child has ended: others may be told of something before its supervisor answers that."""
        self.child.status = status_after(self.child.restart, reason)

    def cancel(self) -> None:
        """Do not start it when its wait is over, even if the end of that is in the work list."""
        self.due = self.resumes = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(slots=True, eq=False)
class Adding:
    """A child that somebody wants to be added, and may stop wanting.

    Attributes:
        spec: What it is made from.
        slot: The child, once it is there.
        starting: Its start.
        given_up: Whether nobody wants it any more.
    """

    spec: Any
    slot: Slot | None = None
    starting: asyncio.Task[Any] | None = None
    given_up: bool = False

    def give_up(self) -> None:
        """Do not start it, or end its start."""
        self.given_up = True
        if self.starting is not None:
            self.starting.cancel()


@dataclass(slots=True, eq=False)
class Ended:
    """A child ended by itself."""

    slot: Slot
    generation: int
    reason: ExitReason


@dataclass(slots=True, eq=False)
class Due:
    """The wait before a restart is over.

    Attributes:
        slot: Whose.
        tried: Whether its OS process, and those of its group, were waited for as well.
    """

    slot: Slot
    tried: bool = False


def dues_of(slots: Iterable[Slot]) -> dict[str, float]:
    """When those that wait for a restart are started again, in unix seconds, by their names."""
    return {
        slot.child.name: slot.resumes
        for slot in slots
        if slot.resumes is not None and slot.state is SlotState.PENDING
    }
