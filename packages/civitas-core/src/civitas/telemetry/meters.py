"""The instruments of OpenTelemetry's meter provider. Imported only once there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from opentelemetry.metrics import NoOpMeterProvider, Observation

from civitas.telemetry import names
from civitas.telemetry.instruments import INSTRUMENTS, Instrument, Point

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider

__all__ = ["Meters", "meters_of"]


class Gauged(Protocol):
    """Has gauges."""

    def gauge(self, name: str, *, exported: bool) -> Iterable[Point]:
        """The points of one; `exported`, also those of processes that export theirs."""


class Meters:
    """The instruments of one provider, for whichever runtimes there are in this OS process.

    Args:
        provider: Where the figures go.
        exported: Whether those of processes that export theirs go there, too.
    """

    def __init__(self, provider: MeterProvider, *, exported: bool = False) -> None:
        self.provider = provider
        self._exported = exported
        self.observed: WeakSet[Gauged] = WeakSet()
        """Whose gauges are looked at."""
        meter = provider.get_meter(names.SCOPE)
        self._take: dict[str, Callable[..., None]] = {}
        for name, each in INSTRUMENTS.items():
            self._make(meter, name, each)

    def take(self, name: str, amount: float, attributes: Mapping[str, Any]) -> None:
        """Count or measure."""
        self._take[name](amount, attributes)

    def _make(self, meter: Meter, name: str, what: Instrument) -> None:
        match what.kind:
            case "counter":
                self._take[name] = meter.create_counter(name, what.unit, what.description).add
            case "histogram":
                self._take[name] = meter.create_histogram(
                    name,
                    what.unit,
                    what.description,
                    explicit_bucket_boundaries_advisory=list(what.buckets),
                ).record
            case "gauge":
                look = partial(self._look, name)
                meter.create_observable_gauge(name, [look], what.unit, what.description)

    def _look(self, name: str, options: CallbackOptions) -> Iterable[Observation]:
        for metrics in list(self.observed):
            for value, attributes in metrics.gauge(name, exported=self._exported):
                yield Observation(value, attributes)


_made: Meters | None = None


def meters_of(provider: MeterProvider) -> Meters | None:
    """The instruments of `provider`: made once, as a provider takes each name once; None if it drops all."""
    global _made
    if isinstance(provider, NoOpMeterProvider):
        return None
    if _made is None or _made.provider is not provider:
        _made = Meters(provider)
    return _made
