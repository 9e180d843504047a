"""Tracing and metrics through the OpenTelemetry API; nothing of it is loaded or paid for until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.when_used import when_used

if TYPE_CHECKING:
    from civitas.telemetry.metrics import Metrics
    from civitas.telemetry.tracing import Tracing

__all__ = ["Metrics", "Tracing"]

if not TYPE_CHECKING:  # otherwise type checkers would believe in any name
    __getattr__, __dir__ = when_used(
        __name__,
        {
            "civitas.telemetry.metrics": ["Metrics"],
            "civitas.telemetry.tracing": ["Tracing"],
        },
    )
