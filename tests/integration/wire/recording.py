"""A module of agents that sets up OpenTelemetry for itself, as it is imported."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from civitas import AgentProcess, Message
from civitas.telemetry import names

reader = InMemoryMetricReader()


class ToFile(SpanExporter):
    """Writes a line for each span."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with Path(os.environ["SPANS_FILE"]).open("a") as file:
            file.writelines(json.dumps(span.name) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


# In this process only, and not in that of the tests.
if "SPANS_FILE" in os.environ:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ToFile()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))


class Records(AgentProcess):
    """Answers with the names of the metrics that its process has; does not come to the end of a message that is 0."""

    async def handle(self, message: Message) -> Message:
        if message.payload == 0:
            raise ValueError("no")
        with trace.get_tracer("user").start_as_current_span("user code"):
            data = reader.get_metrics_data()
        found = {
            each.name
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for each in scope.metrics
        }
        return self.reply(names.PROCESSED in found)


class Again(AgentProcess):
    """Crashes the first time that it is given a message."""

    async def handle(self, message: Message) -> Message | None:
        if not message.attempt:
            raise ValueError(f"{self.name} crashes")
        return self.reply(message.attempt)
