"""Installs OpenTelemetry providers where the ``OTEL_*`` variables ask for them and the application has none."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from civitas.errors import ConfigurationError
from civitas.telemetry.flushing import Flushable, flush
from civitas.telemetry.joining import (
    install_meter_provider,
    install_tracer_provider,
    meter_provider,
    tracer_provider,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

__all__ = ["InstalledProviders", "resource", "setup_from_environment"]

_Kind = TypeVar("_Kind")

_AT_EXIT = 1.0
"""Seconds for what is recorded after the last runtime has stopped."""


class InstalledProviders:
    """What `setup_from_environment` installed, if anything.

    Attributes:
        tracing: Whether it installed a tracer provider.
        metrics: Whether it installed a meter provider.
    """

    def __init__(self, tracing: Flushable | None = None, metrics: Flushable | None = None) -> None:
        self.tracing = tracing is not None
        self.metrics = metrics is not None
        self._providers = [each for each in (tracing, metrics) if each is not None]

    def flush(self, timeout: float = 2.0) -> bool:
        """Export what is waiting; blocks up to `timeout` seconds, whatever the exporters do meanwhile.

        The providers stay: OpenTelemetry takes only one in the life of an OS process, and the next runtime in this one
        uses it again. They end with the OS process.

        Returns:
            Whether all of it went out.
        """
        return flush(self._providers, timeout)


_installed: dict[str, Flushable] = {}
"""What was installed in this OS process; the next runtime flushes it as well."""


def setup_from_environment(service_name: str = "civitas") -> InstalledProviders:
    """Install a tracer and a meter provider if the environment asks for one; otherwise do and import nothing.

    ``OTEL_TRACES_EXPORTER`` and ``OTEL_METRICS_EXPORTER`` choose ``otlp``, ``console``, ``none``, or several with
    commas between. If they are not set, an OTLP endpoint (``OTEL_EXPORTER_OTLP_ENDPOINT``) is enough. The
    application's own provider is never touched, and takes the place of what is installed here if it is set up later.
    ``OTEL_SDK_DISABLED=true`` switches all of it off. Samplers, batches,
    headers and resource attributes follow their own ``OTEL_*`` variables.

    Args:
        service_name: The resource's ``service.name`` where the environment has none.
    Raises:
        ConfigurationError: An exporter is unknown, or its package is not installed.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
        if "traces" not in _installed and (names := _asked_for("TRACES")):
            _install_tracing(names, service_name)
        if "metrics" not in _installed and (names := _asked_for("METRICS")):
            _install_metrics(names, service_name)
    return InstalledProviders(_installed.get("traces"), _installed.get("metrics"))


def _asked_for(signal: str) -> list[str]:
    chosen = os.environ.get(f"OTEL_{signal}_EXPORTER", "")
    names = [name.strip().lower() for name in chosen.split(",") if name.strip()]
    if "none" in names:
        return []
    if not names and (
        os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    ):
        return ["otlp"]
    return names


def _install_tracing(names: list[str], service_name: str) -> None:
    if tracer_provider() is not None:
        return  # the application's own
    processors = [_span_processor(name) for name in names]
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=resource(service_name), shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    install_tracer_provider(provider)
    _keep("traces", provider)


def _install_metrics(names: list[str], service_name: str) -> None:
    if meter_provider() is not None:
        return  # the application's own
    readers = [_metric_reader(name) for name in names]
    from opentelemetry.sdk.metrics import MeterProvider

    provider = MeterProvider(readers, resource=resource(service_name), shutdown_on_exit=False)
    install_meter_provider(provider)
    _keep("metrics", provider)


def _keep(signal: str, provider: Flushable) -> None:
    """Let the provider live as long as the OS process, and export what is left at its end."""
    if not _installed:
        # The SDK's own way at exit waits for as long as a dead collector is tried again.
        atexit.register(lambda: flush(list(_installed.values()), _AT_EXIT))
    _installed[signal] = provider


def _span_processor(name: str) -> SpanProcessor:
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        ConsoleSpanExporter,
        SimpleSpanProcessor,
    )

    match name:
        case "console":
            return SimpleSpanProcessor(ConsoleSpanExporter())
        case "otlp":
            return BatchSpanProcessor(_otlp("TRACES", "trace_exporter", "OTLPSpanExporter"))
    return BatchSpanProcessor(_by_entry_point("opentelemetry_traces_exporter", "TRACES", name))


def _metric_reader(name: str) -> MetricReader:
    from opentelemetry.sdk.metrics.export import (
        ConsoleMetricExporter,
        PeriodicExportingMetricReader,
    )

    match name:
        case "console":
            return PeriodicExportingMetricReader(ConsoleMetricExporter())
        case "otlp":
            exporter = _otlp("METRICS", "metric_exporter", "OTLPMetricExporter")
            return PeriodicExportingMetricReader(exporter)
    return PeriodicExportingMetricReader(
        _by_entry_point("opentelemetry_metrics_exporter", "METRICS", name)
    )


def _otlp(signal: str, module: str, exporter: str) -> Any:
    protocol = (
        os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    match protocol:
        case "http/protobuf":
            package, cure = "http", 'pip install "civitas-core[otlp]"'
        case "grpc":
            package, cure = "grpc", "pip install opentelemetry-exporter-otlp-proto-grpc"
        case _:
            raise ConfigurationError(
                f"OTLP over {protocol!r} is not known; set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf or grpc"
            )
    name = f"opentelemetry.exporter.otlp.proto.{package}.{module}"
    try:
        make = getattr(__import__(name, fromlist=[exporter]), exporter)
    except ImportError as error:
        raise ConfigurationError(
            f"the environment asks for {signal.lower()} over OTLP, but its exporter is not installed ({error}): {cure}"
        ) from error
    return make()


def _by_entry_point(group: str, signal: str, name: str) -> Any:
    from importlib.metadata import entry_points

    for entry in entry_points(group=group, name=name):
        return _loaded(entry.load, signal, name)()
    raise ConfigurationError(
        f"OTEL_{signal}_EXPORTER={name}: there is no such exporter. "
        "Use otlp, console or none, or install the package that brings it"
    )


def _loaded(load: Callable[[], Callable[[], _Kind]], signal: str, name: str) -> Callable[[], _Kind]:
    try:
        return load()
    except ImportError as error:
        raise ConfigurationError(
            f"OTEL_{signal}_EXPORTER={name}: its package cannot be imported ({error}); install it again"
        ) from error


@cache
def _instance() -> str:
    """The id of this OS process among those of its service."""
    from uuid import uuid4

    return str(uuid4())


def resource(service_name: str) -> Resource:
    """What the telemetry of this OS process says of it: the environment's words, and ours for what these leave out."""
    from opentelemetry.sdk.resources import (
        PROCESS_PID,
        SERVICE_INSTANCE_ID,
        SERVICE_NAME,
        Resource,
    )

    found = Resource.create()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    # Without an id of its own, the figures of one process are taken for those of another.
    ours: dict[str, str | int] = {SERVICE_INSTANCE_ID: _instance(), PROCESS_PID: os.getpid()}
    ours = {name: value for name, value in ours.items() if name not in found.attributes}
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        ours[SERVICE_NAME] = service_name
    return found.merge(Resource(ours))
