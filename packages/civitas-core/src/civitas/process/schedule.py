"""`Schedule`: when an agent is sent a message by the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from civitas.duration import seconds_of
from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean
from civitas.message import encode
from civitas.message.envelope import shown
from civitas.process.choosing import choose

__all__ = ["MOST_MISSED", "Missed", "Schedule", "check_cron", "check_timezone", "zone_of"]

MOST_MISSED = 1000
"""How many of the times that passed while nobody looked are known, the newest."""
_SECOND = 1e-6
"""Times are known to the microsecond."""
_WINDOW = 3600.0


class Missed(StrEnum):
    """What becomes of the times that pass while the system does not run."""

    ONCE = "once"
    """One message for all of them."""
    ALL = "all"
    """One message for each."""
    SKIP = "skip"
    """None."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an agent is sent a message by the clock.

    Attributes:
        cron: A cron expression; empty if the time between two messages is given.
        timezone: The time zone that this is meant in.
        every: Seconds from one message to the next; 0 for a cron expression.
        missed: What becomes of the times that pass while the system does not run.
        payload: Of each message, encoded; None for the time that it is due.
    """

    cron: str = ""
    timezone: str = "UTC"
    every: float = 0.0
    missed: Missed = Missed.ONCE
    payload: bytes | None = None

    @classmethod
    def read(
        cls,
        who: str,
        schedule: object,
        timezone: object,
        every: object,
        missed: object,
        payload: Any,
    ) -> Self | None:
        """The schedule that the keywords of an agent give, described at `AgentProcess`; None if they give none.

        Args:
            who: The agent, for an error.
            schedule: The keyword of that name.
            timezone: The keyword of that name.
            every: The keyword of that name.
            missed: The keyword of that name.
            payload: The keyword `schedule_payload`.

        Raises:
            ConfigurationError: One does not fit.
            PayloadError: `payload` cannot be sent.
        """
        if schedule is None and every is None:
            if timezone is None and missed is Missed.ONCE and payload is None:
                return None
            word = "timezone" if timezone is not None else "missed"
            word = "schedule_payload" if payload is not None else word
            choose(Missed, missed, f"{who}: missed")
            if word == "missed" and missed == Missed.ONCE:
                return None
            raise ConfigurationError(
                f"{who}: {word} is for an agent with schedule or every; give it one of them, or remove {word}"
            )
        if schedule is not None and every is not None:
            raise ConfigurationError(f"{who}: schedule and every are both given; keep one of them")
        if every is not None and timezone is not None:
            raise ConfigurationError(f"{who}: timezone is for schedule, and every needs none")
        seconds = 0.0
        if every is not None:
            given = seconds_of(every)
            if given is None:
                raise ConfigurationError(
                    f"{who}: every must be a time, such as '10m' or 600 (seconds); got {shown(every)}"
                )
            seconds = given
        zone = "UTC" if timezone is None else check_timezone(timezone, f"{who}: timezone")
        return cls(
            "" if schedule is None else check_cron(schedule, f"{who}: schedule"),
            zone,
            seconds,
            choose(Missed, missed, f"{who}: missed"),
            None if payload is None else bytes(encode(payload)),
        )

    def __str__(self) -> str:
        """As a person reads it; the same for the same times."""
        return f"{self.cron} ({self.timezone})" if self.cron else f"every {self.every:g} s"

    def plain(self) -> list[Any]:
        """As it travels."""
        return [self.cron, self.timezone, self.every, str(self.missed), self.payload]

    @classmethod
    def of_plain(cls, plain: Sequence[Any]) -> Self:
        """What `plain` gave."""
        cron, timezone, every, missed, payload = plain
        return cls(cron, timezone, every, Missed(missed), payload)

    def after(self, time: float) -> float:
        """When it is due next.

        Args:
            time: Unix seconds: when it was due last, or when the agent got it.

        Returns:
            Unix seconds, later than `time`.
        """
        return next(self._times(time), math.inf)

    def between(self, after: float, until: float) -> list[float]:
        """The times later than `after` and up to `until` at which it was due: the newest, at most `MOST_MISSED`."""
        if not self.cron:
            after = round(after, 6)  # one at a time or several at once, they are the same times
            count = math.floor((until - after) / self.every + _SECOND)
            first = max(1, count - MOST_MISSED + 1)
            return [round(after + n * self.every, 6) for n in range(first, count + 1)]
        window = _WINDOW
        while True:  # a year of minutes takes seconds to count
            begin = max(after, until - window)
            found = []
            for due in self._times(begin):
                if due > until:
                    break
                found.append(due)
            if begin == after or len(found) >= MOST_MISSED:
                return found[-MOST_MISSED:]
            window *= 4

    def _times(self, after: float) -> Iterator[float]:
        if not self.cron:
            after = round(after, 6)
            while True:
                after = round(after + self.every, 6)
                yield after
        from cronsim import CronSim

        for due in CronSim(self.cron, datetime.fromtimestamp(after, zone_of(self.timezone))):
            # When clocks are put back, an hour has two of each of its times, and when they are put forward, several
            # may become one.
            if (at := due.timestamp()) > after:
                after = at
                yield at


def check_cron(value: object, what: str) -> str:
    """A cron expression with single spaces.

    Raises:
        ConfigurationError: It is not one, or is never due.
    """
    from cronsim import CronSim, CronSimError

    if not isinstance(value, str):
        raise ConfigurationError(
            f"{what} must be a cron expression, as text, such as '*/5 * * * *'; got {shown(value)}"
        )
    cron = " ".join(value.split())
    try:
        if next(iter(CronSim(cron, datetime.now(UTC))), None) is None:
            raise CronSimError("It is never due")
    except (CronSimError, ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{what} must be a cron expression: minute, hour, day of month, month, day of week, such as "
            f"'*/5 * * * *' (every 5 minutes) or '30 2 * * MON-FRI'; got {shown(value)}: {str(error).lower()}"
        ) from None
    return cron


def check_timezone(value: object, what: str) -> str:
    """The name of a time zone.

    Raises:
        ConfigurationError: Nobody knows it.
    """
    if isinstance(value, str):
        try:
            zone_of(value)
        except (OSError, ValueError, LookupError):
            pass
        else:
            return value
    raise ConfigurationError(
        f"{what} must be the name of a time zone, such as 'Europe/Berlin' or 'UTC'; got {shown(value)}{_near(value)}"
    )


def _near(value: object) -> str:
    import zoneinfo

    return did_you_mean(value, sorted(zoneinfo.available_timezones()))


@lru_cache(64)
def zone_of(name: str) -> tzinfo:
    """The time zone of a name that was checked."""
    from zoneinfo import ZoneInfo

    return UTC if name == "UTC" else ZoneInfo(name)
