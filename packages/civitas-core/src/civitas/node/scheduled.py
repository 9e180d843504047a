"""`Scheduled`: an agent with a schedule, and the times at which it is sent a message."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from civitas.message import Message, encode, new_message
from civitas.process.schedule import MOST_MISSED, Missed, Schedule, zone_of

__all__ = ["RECORD", "DueTime", "Scheduled"]

RECORD = "civitas:schedules:"
"""What the keys begin with under which it is kept when an agent was due last; its name follows."""
_LATE = 30.0
"""Seconds that a message may be late, in a system that runs, without being missed."""
_SET_BACK = 3 * 3600.0
"""Seconds by which a clock may be set back; one that is set back further was wrong before, and starts over."""


@dataclass(frozen=True, slots=True)
class DueTime:
    """A message that is due.

    Attributes:
        at: When, in unix seconds.
        missed: How many earlier times it stands for as well.
    """

    at: float
    missed: int = 0


class Scheduled:
    """An agent with a schedule, and the times at which it is sent a message.

    Args:
        name: Of the agent.
        schedule: Its schedule.
    """

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name = name
        self.schedule = schedule
        self.last = math.nan
        """When it was due last, in unix seconds; what is up to that is done with."""
        self.next = math.inf
        """When it is due next."""
        self.waiting: deque[DueTime] = deque()
        """What is due and was not handed over yet, in order."""
        self.began: float | None = None
        """When the first of that began to be handed over, in seconds of the event loop; None if it has not."""

    @property
    def key(self) -> str:
        """Of its record in the state store."""
        return RECORD + self.name

    def record(self, last: float) -> dict[str, Any]:
        """What is kept of it.

        Args:
            last: When the message was due that was handed over last.
        """
        return {"schedule": str(self.schedule), "last": last}

    def begin(self, kept: Mapping[str, Any] | None, now: float) -> bool:
        """Go on from what is kept; with another schedule, or none, from `now`.

        Returns:
            Whether it begins from `now`.
        """
        last: Any = None if kept is None else kept.get("last")
        is_new = (
            kept is None
            or kept.get("schedule") != str(self.schedule)
            or not isinstance(last, (int, float))
            or last > now + _SET_BACK
        )
        self.last = now if is_new else float(last)
        self.next = self.schedule.after(self.last)
        if not is_new:
            self.look(now, late=0.0)
            self.clock_was_set(now)
        return is_new

    def look(self, now: float, *, late: float = _LATE) -> int:
        """Put what has become due behind what waits.

        Args:
            now: Unix seconds.
            late: Seconds that the newest may be late without being missed.

        Returns:
            How many times were passed over though each was to be made up for, as they are too many; 0 for none.
        """
        if self.next > now:
            return 0
        passed = self.schedule.between(self.last, now) or [self.next]
        self.last = passed[-1]
        self.next = self.schedule.after(self.last)
        self.waiting += self._chosen([DueTime(at) for at in passed], now - passed[-1] <= late)
        return MOST_MISSED if len(passed) == MOST_MISSED and self.schedule.missed == "all" else 0

    def merge(self) -> None:
        """What waits cannot be handed over: what is behind the first of it was missed."""
        first, *others = self.waiting
        if others:
            self.waiting = deque([first, *self._chosen(others[-MOST_MISSED:], is_recent=True)])

    def _chosen(self, passed: Sequence[DueTime], is_recent: bool) -> Sequence[DueTime]:
        """Those of which a message is sent."""
        missed = self.schedule.missed
        if missed is Missed.ALL:
            return passed
        if missed is Missed.SKIP:
            return [DueTime(passed[-1].at)] if is_recent else []
        return [DueTime(passed[-1].at, len(passed) - 1 + sum(each.missed for each in passed))]

    def clock_was_set(self, now: float) -> None:
        """The clock was set back to `now`."""
        every = self.schedule.every
        if (every and self.next > now + every) or self.last > now + _SET_BACK:
            self.last = now
            self.next = self.schedule.after(now)

    def run_of(self, due: DueTime) -> str:
        """The name of the run that its message begins."""
        at = datetime.fromtimestamp(due.at, UTC).isoformat().replace("+00:00", "Z")
        return f"{self.name}@{at}"

    def message(self, due: DueTime) -> Message:
        """The message that it is sent."""
        zone: tzinfo = zone_of(self.schedule.timezone)
        at = datetime.fromtimestamp(due.at, zone)
        raw = self.schedule.payload
        if raw is None:
            raw = encode({"due": at, "missed": due.missed})
        return new_message(
            "civitas.schedule", None, self.name, raw, headers={"civitas-due": at.isoformat()}
        )
