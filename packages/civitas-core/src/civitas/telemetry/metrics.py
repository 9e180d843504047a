"""Counters and histograms through the OpenTelemetry metrics API."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from civitas.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = ["Metrics"]

# Seconds; a handler takes from microseconds to the minutes of a long model run.
_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The metrics of one runtime; look at `active` before calling.

    Attributes:
        active: Whether a meter provider is installed; as of the last `refresh`.
    """

    __slots__ = (
        "_crashes",
        "_dead_letters",
        "_duration",
        "_gave_ups",
        "_processed",
        "_restarts",
        "active",
    )

    def __init__(self) -> None:
        self.active = False

    def refresh(self) -> None:
        """Look again for the application's meter provider; called when the runtime starts."""
        provider = _installed_provider()
        self.active = provider is not None
        if provider is None:
            return
        meter = provider.get_meter(names.SCOPE)
        self._processed = meter.create_counter(
            names.PROCESSED, "{message}", "Messages whose handler ended."
        )
        self._duration = meter.create_histogram(
            names.PROCESS_DURATION,
            "s",
            "Seconds a handler took.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._crashes = meter.create_counter(names.CRASHES, "{crash}", "Agents that crashed.")
        self._restarts = meter.create_counter(names.RESTARTS, "{restart}", "Agents started again.")
        self._gave_ups = meter.create_counter(
            names.GAVE_UPS, "{give_up}", "Supervisors that ran out of restarts."
        )
        self._dead_letters = meter.create_counter(
            names.DEAD_LETTERS, "{message}", "Messages that nobody will handle, by reason."
        )

    # Only while `active`.

    def processed(self, agent: str, seconds: float, error_type: str | None = None) -> None:
        """Count a message whose handler ended, `error_type` being the class name of what it raised."""
        attributes: dict[str, Any] = {
            names.MESSAGING_SYSTEM: names.SYSTEM,
            names.OPERATION_NAME: "process",
            names.DESTINATION: agent,
        }
        if error_type is not None:
            attributes[names.ERROR_TYPE] = error_type
        self._processed.add(1, attributes)
        self._duration.record(seconds, attributes)

    def crashed(self, agent: str, error_type: str) -> None:
        """Count a crash."""
        self._crashes.add(1, {names.AGENT_NAME: agent, names.ERROR_TYPE: error_type})

    def restarted(self, agent: str) -> None:
        """Count a restart."""
        self._restarts.add(1, {names.AGENT_NAME: agent})

    def gave_up(self, supervisor: str) -> None:
        """Count a supervisor that ran out of restarts."""
        self._gave_ups.add(1, {names.AGENT_NAME: supervisor})

    def dead_letter(self, agent: str, reason: str) -> None:
        """Count a message that nobody will handle."""
        self._dead_letters.add(1, {names.DESTINATION: agent, names.DEAD_LETTER_REASON: reason})


def _installed_provider() -> MeterProvider | None:
    if (
        "opentelemetry.metrics" not in sys.modules
        and "OTEL_PYTHON_METER_PROVIDER" not in os.environ
    ):
        return None
    from opentelemetry.metrics import NoOpMeterProvider, get_meter_provider

    provider = get_meter_provider()
    return None if isinstance(provider, NoOpMeterProvider) or is_stand_in(provider) else provider


def is_stand_in(provider: MeterProvider) -> bool:
    """Whether `provider` is what OpenTelemetry's API has where no meter provider is set; its class is private."""
    kind = type(provider)
    return (
        kind.__module__.startswith("opentelemetry.metrics.")
        and kind.__name__ == "_ProxyMeterProvider"
    )
