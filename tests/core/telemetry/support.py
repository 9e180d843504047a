"""A tracer provider for one test."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

__all__ = ["Metered", "Recorded"]


class Recorded:
    """The spans of one test, by an SDK provider installed for it."""

    def __init__(self, monkeypatch, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        # OpenTelemetry takes one provider in the life of a process; a test run has many.
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", self.provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The finished spans, oldest first."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def span(self, name: str) -> ReadableSpan:
        """The one span of that name."""
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans named {name!r} among {self.names}"
        return found[0]

    @property
    def names(self) -> list[str]:
        """Names of the finished spans."""
        return [span.name for span in self.spans]

    def forget(self) -> None:
        """What has finished until now was another test's."""
        self._exporter.clear()


class Metered:
    """The metrics of one test."""

    def __init__(self, monkeypatch) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])
        monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", self.provider)

    def points(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Metric name to its points: attributes, and the sum or the count."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = getattr(point, "value", getattr(point, "count", None))
                        found.setdefault(metric.name, []).append(
                            (dict(point.attributes or {}), value)
                        )
        return found
