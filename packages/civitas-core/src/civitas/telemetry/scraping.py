"""What is counted and measured in a system, in the text format of Prometheus, from the first scrape on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from civitas.telemetry import names
from civitas.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric

__all__ = ["Scraping", "labels_of"]

_UNITS = {"s": "_seconds", "By": "_bytes"}
_IN_THE_TREE = (names.MAILBOX_DEPTH, names.RESTARTS)
"""What whoever scrapes takes from the tree, under the same names."""


class Scraping:
    """Counts and measures for whoever scrapes; nothing is counted for that before somebody does.

    Args:
        tracing: Of the root, to which other OS processes hand over what they count.
        system: Its name.
    """

    def __init__(self, tracing: Tracing, system: str) -> None:
        self._tracing = tracing
        self._labels = {"system": system}
        self._provider: MeterProvider | None = None
        self._reader: InMemoryMetricReader | None = None

    def text(self) -> str:
        """All metrics but those that `tree()` tells, in the text format of Prometheus, version 0.0.4."""
        if self._reader is None:
            self._begin()
        assert self._reader is not None
        data = self._reader.get_metrics_data()
        if data is None:
            return ""
        lines: list[str] = []
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name not in _IN_THE_TREE:
                        lines += self._lines(metric)
        return "".join(f"{line}\n" for line in lines)

    def _begin(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.resources import Resource

        from civitas.telemetry.meters import Meters

        self._reader = InMemoryMetricReader()
        # A provider of its own: what the application has set up gets all of it, too.
        self._provider = MeterProvider(
            [self._reader], resource=Resource.get_empty(), shutdown_on_exit=False
        )
        metrics = self._tracing.metrics
        metrics.scraped = meters = Meters(self._provider, exported=True)
        meters.observed.add(metrics)
        self._tracing.refresh()
        if self._tracing.on_change is not None:
            self._tracing.on_change()

    def _lines(self, metric: Metric) -> Iterator[str]:
        from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint

        kind = _kind(metric.data)
        name = _name(metric.name) + _UNITS.get(metric.unit or "", "")
        name += "_total" if kind == "counter" else ""
        about = _escaped(metric.description or "")
        yield f"# HELP {name} {about}"
        yield f"# TYPE {name} {kind}"
        for point in metric.data.data_points:
            given = point.attributes or {}
            labels = {**self._labels, **{_name(key): given[key] for key in sorted(given)}}
            if isinstance(point, NumberDataPoint):
                yield f"{name}{labels_of(labels)} {_number(point.value)}"
                continue
            assert isinstance(point, HistogramDataPoint)  # no view makes another kind of it
            so_far = 0
            bounds = [*point.explicit_bounds, math.inf]
            for bound, count in zip(bounds, point.bucket_counts, strict=True):
                so_far += count
                yield f"{name}_bucket{labels_of({**labels, 'le': _number(bound)})} {so_far}"
            yield f"{name}_sum{labels_of(labels)} {_number(point.sum)}"
            yield f"{name}_count{labels_of(labels)} {point.count}"


def labels_of(labels: Mapping[str, Any]) -> str:
    """Labels, as they are written."""
    written = (f'{key}="{_escaped(str(value), quotes=True)}"' for key, value in labels.items())
    return "{" + ",".join(written) + "}"


def _kind(data: Any) -> str:
    if hasattr(data, "is_monotonic"):
        return "counter"
    return "histogram" if hasattr(data, "aggregation_temporality") else "gauge"


def _name(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


def _number(value: float) -> str:
    if value == math.inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
