"""What a whole system sends to a collector, and what a scrape of it finds."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections import defaultdict
from typing import Any

import pytest

from civitas import Runtime
from civitas.models import ModelResponse
from civitas.telemetry import names
from civitas.telemetry.instruments import INSTRUMENTS
from civitas.testing import ScriptedModel
from tests.core.telemetry.receiver import Receiver, attributes_of
from tests.integration.wire.conftest import agent, topology, until
from tests.integration.wire.tools import add

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

SYSTEM = """
import asyncio
from civitas import Runtime
from civitas.models import ModelResponse
from civitas.testing import ScriptedModel
from tests.integration.wire.conftest import topology
from tests.integration.wire.tools import add

async def main():
    answer = ModelResponse("42", tokens_in=12, tokens_out=5, tokens_cached=8, finish_reason="stop")
    again = {
        "name": "again",
        "type": "tests.integration.wire.recording:Again",
        "process": "worker",
        "delivery": "at_least_once",
    }
    async with Runtime.from_config(
        topology({"agent": again}), model_provider=ScriptedModel([answer]), tools=[add]
    ) as runtime:
        inner = {"to": "v_one", "payload": "?", "message_type": "llm"}
        await runtime.ask("w_one", inner, "then_ask", conversation="c-1")
        await runtime.ask("v_one", {"name": "add", "a": 1}, "tool")
        await runtime.ask("again", 1)

asyncio.run(main())
"""


@pytest.mark.promise(id="SEM-1711")
def test_a_collector_gets_one_trace_and_the_metrics_of_every_process() -> None:
    environment = {key: each for key, each in os.environ.items() if not key.startswith("OTEL_")}
    with Receiver() as receiver:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.endpoint
        environment["OTEL_SERVICE_NAME"] = "shop"
        done = subprocess.run(
            [sys.executable, "-c", SYSTEM],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert {about["service.name"] for _, about in receiver.spans} == {"shop"}

    chat = receiver.span("chat m")
    chain = [span for span, _ in receiver.spans if span.trace_id == chat.trace_id]
    parents = {span.span_id: span for span in chain}
    way = [span := chat]
    while span.parent_span_id:
        way.append(span := parents[span.parent_span_id])
    assert [each.name for each in way] == [
        "chat m",
        "process v_one",
        "send v_one",
        "process w_one",
        "send w_one",
    ]
    assert attributes_of(way[1])[names.CONVERSATION] == "c-1"
    assert attributes_of(chat) == {
        names.GEN_AI_OPERATION: "chat",
        names.PROVIDER: "scripted",
        names.CONVERSATION: "c-1",
        names.REQUEST_MODEL: "m",
        names.RESPONSE_MODEL: "m",
        names.FINISH_REASONS: ["stop"],
        names.INPUT_TOKENS: 12,
        names.OUTPUT_TOKENS: 5,
        names.CACHE_READ_TOKENS: 8,
    }
    first, second = (span for span, _ in receiver.spans if span.name == "process again")
    assert not first.links
    assert [(link.trace_id, link.span_id) for link in second.links] == [
        (first.trace_id, first.span_id)
    ]

    handled: defaultdict[str, int] = defaultdict(int)
    for attributes, point in receiver.points(names.PROCESSED):
        handled[attributes[names.DESTINATION]] += point.as_int
    assert handled == {"w_one": 1, "v_one": 2, "again": 2}
    ((attributes, tokens),) = receiver.points(names.INPUT_TOKENS_USED)
    assert (attributes[names.REQUEST_MODEL], tokens.as_int) == ("m", 12)
    for name in (names.INFERENCE_DURATION, names.OPERATION_DURATION):
        ((_, duration),) = receiver.points(name)
        assert tuple(duration.explicit_bounds) == INSTRUMENTS[name].buckets


@pytest.mark.promise(id="SEM-1711")
async def test_a_scrape_by_prometheus_finds_the_metrics_of_every_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus")
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import start_http_server
    from prometheus_client.parser import text_string_to_metric_families

    reader = PrometheusMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", provider)
    server, thread = start_http_server(0, "127.0.0.1")

    def scrape() -> dict[str, list[Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as page:
            text = page.read().decode()
        families = text_string_to_metric_families(text)
        found: dict[str, list[Any]] = defaultdict(list)
        for sample in (sample for family in families for sample in family.samples):
            found[sample.name].append(sample)
        return found

    def values(samples: list[Any], label: str) -> dict[str, float]:
        return {each.labels[label]: each.value for each in samples}

    model = ScriptedModel([ModelResponse("42", tokens_in=12, tokens_out=5)])
    try:
        config = topology(agent("lost", process="worker"))
        async with Runtime.from_config(config, model_provider=model, tools=[add]) as runtime:
            await runtime.ask("v_one", "?", "llm")
            await runtime.ask("w_one", 1, "echo")
            await asyncio.gather(runtime.ask("lost", 1, "crash"), return_exceptions=True)
            found: dict[str, list[Any]] = {}

            def all_there() -> bool:
                nonlocal found
                found = scrape()
                dead = values(found["civitas_dead_letters_total"], "messaging_destination_name")
                depth = values(found["civitas_mailbox_depth"], "messaging_destination_name")
                return "lost" in dead and {"w_one", "v_one", "r_one"} <= depth.keys()

            await until(all_there)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        provider.shutdown()
    handled = values(
        found["messaging_client_consumed_messages_total"], "messaging_destination_name"
    )
    assert handled == {"v_one": 1, "w_one": 1, "lost": 1}
    states = [each.labels for each in found["civitas_node_state"] if each.value]
    assert {each["civitas_node_name"]: each["civitas_node_state"] for each in states} == {
        "root": "up",
        "worker": "up",
        "other": "up",
    }
    used = found["gen_ai_client_inference_usage_input_tokens_total"]
    assert values(used, "gen_ai_request_model") == {"m": 12}
    assert values(found["civitas_agent_crashes_total"], "gen_ai_agent_name") == {"lost": 1}
    assert found["gen_ai_client_inference_duration_seconds_bucket"]
    assert found["gen_ai_client_operation_duration_seconds_bucket"]
    assert found["civitas_mailbox_wait_seconds_count"]
    assert found["civitas_loop_lag_seconds_count"]
