"""Tracing and metrics through the OpenTelemetry API; nothing of it is loaded or paid for until it is used."""

from __future__ import annotations

from civitas.telemetry.metrics import Metrics
from civitas.telemetry.tracing import Tracing

__all__ = ["Metrics", "Tracing"]
