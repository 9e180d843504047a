"""How many restarts a supervisor may still make, and how long it waits before each."""

from __future__ import annotations

import random
from dataclasses import dataclass

from civitas.process.options import choose, positive
from civitas.supervision.backoff import BackoffPolicy, delay
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


class RestartBudget:
    """Spends the restarts that the limits allow.

    Args:
        limits: What is allowed.
    """

    def __init__(self, limits: RestartLimits) -> None:
        self._limits = limits
        self._intensity = RestartIntensity(limits.max_restarts, limits.restart_window)
        self._incidents: dict[str, float | None] = {}
        """The latest ones, and what was said to each: those of several OS processes may mix."""

    def spend(self, child: str, now: float, incident: str = "") -> float | None:
        """Count a restart of `child`.

        Args:
            child: Whose crash it is.
            now: Seconds of any steady clock.
            incident: What ended it together with others, such as the end of their OS process: counted once.

        Returns:
            Seconds to wait before it, or None where it is one too many.
        """
        if incident in self._incidents:
            return self._incidents[incident]
        wait: float | None = None
        if self._intensity.add(child, now):
            limits = self._limits
            restarts = self._intensity.of(child)
            wait = delay(
                limits.backoff, restarts, limits.backoff_base, limits.backoff_max, random.random()
            )
        if incident:
            self._incidents[incident] = wait
            if len(self._incidents) > _INCIDENTS:
                del self._incidents[next(iter(self._incidents))]
        return wait
