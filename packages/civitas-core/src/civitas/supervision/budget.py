"""How many restarts a supervisor may still make, and how long it waits before each."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from functools import partial

from civitas.process.incident import is_departure, is_of_message
from civitas.process.options import choose, positive
from civitas.supervision.backoff import BackoffPolicy, delay
from civitas.supervision.history import Past
from civitas.supervision.intensity import RestartIntensity

__all__ = ["RestartBudget", "RestartLimits"]


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """The restart keywords of a supervisor; `Supervisor` says what they mean."""

    max_restarts: int
    restart_window: float
    backoff: BackoffPolicy
    backoff_base: float
    backoff_max: float

    @classmethod
    def checked(
        cls,
        who: str,
        max_restarts: int,
        restart_window: float,
        backoff: BackoffPolicy | str,
        backoff_base: float,
        backoff_max: float,
    ) -> RestartLimits:
        """Check what a user gave; `who` begins the error."""
        return cls(
            int(positive(max_restarts, f"{who}max_restarts", whole=True, zero=True)),
            positive(restart_window, f"{who}restart_window"),
            choose(BackoffPolicy, backoff, f"{who}backoff"),
            positive(backoff_base, f"{who}backoff_base", zero=True),
            positive(backoff_max, f"{who}backoff_max", zero=True),
        )

    def __str__(self) -> str:
        return f"{self.max_restarts} restarts in {self.restart_window:g} s"


_INCIDENTS = 32
"""So many are remembered."""


@dataclass(slots=True)
class _Incident:
    """What was said to the first whom it met, and how often it met each."""

    wait: float | None
    times: Counter[str]


class RestartBudget:
    """Spends the restarts that the limits allow.

    Args:
        limits: What is allowed.
        past: The restarts that count already, and where those to come are noted.
        now: Seconds of the clock by which they are spent.
    """

    def __init__(self, limits: RestartLimits, past: Past | None = None, now: float = 0.0) -> None:
        self._delay = partial(
            delay, limits.backoff, base=limits.backoff_base, longest=limits.backoff_max
        )
        self._intensity = RestartIntensity(limits.max_restarts, limits.restart_window)
        self._makes_any = limits.max_restarts > 0
        self._past = past
        for ago, child in past.ago() if past is not None else ():
            self._intensity.add(child, now - ago)
        self._incidents: dict[str, _Incident] = {}
        """The latest ones: those of several OS processes, and of several messages, may mix."""

    def left(self, now: float) -> int:
        """How many more restarts it allows at `now`."""
        return self._intensity.left(now)

    def spend(self, child: str, now: float, incident: str = "") -> float | None:
        """Count a restart of `child`.

        Args:
            child: Whose crash it is.
            now: Seconds of any steady clock.
            incident: What ended it together with others, such as the end of their OS process: counted once. A message
                that is delivered again is not counted, as it must not use up the restarts of the siblings; but whoever
                may make no restart at all makes none for it either. Nor is the end of a process that was stopped in
                order: it will be there again.

        Returns:
            Seconds to wait before it, or None if it is one too many.
        """
        known = self._incidents.get(incident)
        if known is not None:
            known.times[child] += 1
            again = known.times[child]
            if known.wait is None or again == 1:
                return known.wait
            return self._delay(restarts=again, chance=random.random())
        wait = None
        if incident and is_departure(incident):
            wait = 0.0
        elif incident and self._makes_any and is_of_message(incident):
            wait = self._delay(restarts=1, chance=random.random())
        else:
            if self._intensity.add(child, now):
                wait = self._delay(restarts=self._intensity.of[child], chance=random.random())
            if self._past is not None:
                self._past.add(child)
        if incident:
            self._incidents[incident] = _Incident(wait, Counter({child: 1}))
            if len(self._incidents) > _INCIDENTS:
                del self._incidents[next(iter(self._incidents))]
        return wait
