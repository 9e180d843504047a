"""An OTLP receiver on loopback, which reads what real exporters send."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Receiver", "attributes_of"]


class Receiver:
    """Takes traces and metrics over HTTP, in its `with` block.

    Attributes:
        endpoint: Its address, for ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        spans: What came: each span, with the attributes of its resource.
        metrics: The last state of each metric that came, by its name, for each instance of the service.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[Any, dict[str, Any]]] = []
        self.metrics: dict[str, dict[str, Any]] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver._take(self.path, body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def span(self, name: str) -> Any:
        """The one span of that name."""
        (found,) = [span for span, _ in self.spans if span.name == name]
        return found

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The points of a metric from all processes: the attributes and the point."""
        return [
            (attributes_of(point), point)
            for metric in self.metrics[name].values()
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]

    def _take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for each in traces.resource_spans:
                about = attributes_of(each.resource)
                self.spans += [(span, about) for scope in each.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                instance = attributes_of(resource.resource)["service.instance.id"]
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self.metrics.setdefault(metric.name, {})[instance] = metric


def attributes_of(what: Any) -> dict[str, Any]:
    """The attributes of a span, a point or a resource."""
    return {each.key: _value(each.value) for each in what.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
