"""One request through agents of several OS processes is one trace."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from civitas import Runtime
from civitas.telemetry import names
from civitas.telemetry.waterfall import Waterfall
from civitas.testing import ScriptedModel
from tests.core.telemetry.support import Metered, Recorded
from tests.integration.wire.conftest import System, agent, topology, until
from tests.integration.wire.tools import add

TOPOLOGY = topology()

SAVES_SPANS = '''
"""A span exporter that writes a line for each span."""
import json, os
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult


class ToFile(SpanExporter):
    def export(self, spans):
        with open(os.environ["SPANS_FILE"], "a") as file:
            for span in spans:
                parent = span.parent and span.parent.span_id
                context = span.get_span_context()
                row = [os.getpid(), span.name, context.trace_id, context.span_id, parent]
                file.write(json.dumps(row) + "\\n")
        return SpanExportResult.SUCCESS
'''


def chain() -> dict[str, Any]:
    """From the root to one worker, and from there to another."""
    inner = {"to": "v_one", "payload": 1, "message_type": "echo"}
    return {"to": "w_one", "payload": inner, "message_type": "then_ask"}


def ancestry(rows: list[tuple[str, int, int | None]]) -> dict[str, str | None]:
    """Each span and its parent, by name."""
    names = {span: name for name, span, _ in rows}
    return {name: names.get(parent or 0) for name, _, parent in rows}


EXPECTED = {
    "send r_one": None,
    "process r_one": "send r_one",
    "send w_one": "process r_one",
    "process w_one": "send w_one",
    "send v_one": "process w_one",
    "process v_one": "send v_one",
}


@pytest.mark.promise(id="SEM-878")
async def test_a_request_through_three_processes_is_one_trace_in_the_applications_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = Recorded(monkeypatch)
    async with Runtime.from_config(TOPOLOGY) as runtime:
        await runtime.ask("r_one", chain(), "then_ask")
        await until(lambda: len(recorded.spans) == 6)
    contexts = [span.get_span_context() for span in recorded.spans]
    assert len({each.trace_id for each in contexts if each}) == 1
    rows = [
        (span.name, context.span_id, span.parent and span.parent.span_id)
        for span, context in zip(recorded.spans, contexts, strict=True)
        if context is not None
    ]
    assert ancestry(rows) == EXPECTED
    recorded.provider.shutdown()


@pytest.mark.promise(id="SEM-934")
async def test_a_message_that_the_root_hands_on_to_a_replica_stays_in_its_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = Recorded(monkeypatch)
    crew = agent("crew", process="pack", replicas=2)
    async with Runtime.from_config(topology(crew)) as runtime:
        order = {"to": "crew", "payload": 1, "message_type": "echo"}
        await runtime.ask("w_one", order, "then_ask")
        await until(lambda: len(recorded.spans) == 4)
    rows = [
        (span.name, context.span_id, span.parent and span.parent.span_id)
        for span in recorded.spans
        if (context := span.get_span_context()) is not None
    ]
    assert ancestry(rows) == {
        "send w_one": None,
        "process w_one": "send w_one",
        "send crew": "process w_one",
        "process crew-1": "send crew",
    }
    recorded.provider.shutdown()


@pytest.mark.promise(id="SEM-878")
async def test_calls_of_models_tools_and_a_crash_elsewhere_are_in_the_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = Recorded(monkeypatch)
    model = ScriptedModel(["42"])
    async with Runtime.from_config(TOPOLOGY, model_provider=model, tools=[add]) as runtime:
        system = System(runtime)
        await system.tell("w_one", "llm", "?")
        await system.tell("w_one", "tool", {"name": "add", "a": 1})
        await system.outcome(runtime.ask("w_one", None, "crash"))
        await until(lambda: "restart w_one" in " ".join(recorded.names))
        await until(lambda: recorded.names.count("process w_one") == 3)
    assert recorded.names.count("chat m") == 1
    assert recorded.names.count("execute_tool add") == 1
    failed = [span for span in recorded.spans if span.status.description]
    assert {span.name for span in failed} == {"process w_one", "send w_one"}
    process = next(span for span in failed if span.name == "process w_one")
    assert "civitas.crash" in [event.name for event in process.events]
    recorded.provider.shutdown()


@pytest.mark.promise(id="SEM-878")
async def test_each_process_exports_by_itself_where_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saves_spans.py").write_text(SAVES_SPANS)
    package = tmp_path / "saves_spans-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: saves-spans\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[opentelemetry_traces_exporter]\nto_file = saves_spans:ToFile\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    file = tmp_path / "spans"
    environment = {"OTEL_TRACES_EXPORTER": "to_file", "SPANS_FILE": str(file)}
    config = topology(processes={each: {"env": environment} for each in ("worker", "other")})
    async with Runtime.from_config(config) as runtime:
        await runtime.ask(
            "w_one", {"to": "v_one", "payload": 1, "message_type": "echo"}, "then_ask"
        )
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    assert ancestry([(name, span, parent) for _, name, _, span, parent in spans]) == {
        "process w_one": None,
        "send v_one": "process w_one",
        "process v_one": "send v_one",
    }
    assert len({trace for _, _, trace, _, _ in spans}) == 1
    assert len({pid for pid, *_ in spans}) == 2


@pytest.mark.promise(id="SEM-878")
async def test_the_waterfall_shows_the_spans_of_every_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded = Recorded(monkeypatch)
    text = StringIO()
    waterfall = Waterfall(Console(file=text, width=100))
    recorded.provider.add_span_processor(waterfall)
    async with Runtime.from_config(TOPOLOGY) as runtime:
        await runtime.ask("r_one", chain(), "then_ask")
        await until(lambda: "process v_one" in text.getvalue())
    waterfall.shutdown()
    for name in EXPECTED:
        assert text.getvalue().count(name) == 1
    assert "continued" not in text.getvalue()
    recorded.provider.shutdown()


@pytest.mark.promise(id="SEM-878")
async def test_without_a_provider_no_process_traces() -> None:
    async with Runtime.from_config(TOPOLOGY) as runtime:
        envelope = (await runtime.ask("w_one", None, "envelope")).payload
        assert "traceparent" not in envelope["headers"]


@pytest.mark.promise(id="SEM-1705")
@pytest.mark.promise(id="SEM-1708")
async def test_processes_that_record_nothing_pass_on_what_came_and_count_at_the_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metered = Metered(monkeypatch)
    came = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        "tracestate": "vendor=value",
        "baggage": "tenant=acme",
    }
    async with Runtime.from_config(TOPOLOGY) as runtime:
        order = {"to": "v_one", "payload": None, "message_type": "envelope"}
        reply = await runtime.ask("w_one", order, "then_ask", headers=came)
        assert came.items() <= reply.payload["headers"].items()
        await System(runtime).outcome(runtime.ask("w_one", None, "crash"))

        def counted() -> bool:
            points = metered.points()
            handled = {a[names.DESTINATION] for a, _ in points.get(names.PROCESSED, ())}
            dead = {a[names.DESTINATION] for a, _ in points.get(names.DEAD_LETTERS, ())}
            depths = {a[names.DESTINATION] for a, _ in points.get(names.MAILBOX_DEPTH, ())}
            return {"w_one", "v_one"} <= handled & depths and "w_one" in dead

        await until(counted)
        states = {
            attributes[names.NODE_NAME]: attributes[names.NODE_STATE_NAME]
            for attributes, value in metered.points()[names.NODE_STATE]
            if value
        }
    assert states == {"root": "up", "worker": "up", "other": "up"}


@pytest.mark.promise(id="SEM-1707")
async def test_providers_that_a_module_of_agents_sets_up_are_joined_and_nothing_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, metered = Recorded(monkeypatch), Metered(monkeypatch)
    file = tmp_path / "spans"
    own = {"name": "own", "type": "tests.integration.wire.recording:Records", "process": "own"}
    tree = {"name": "top", "backoff": "none", "children": [{"agent": own}]}
    # Both ask for the same place: the module of the agents, and the environment.
    environment = {"SPANS_FILE": str(file), "OTEL_TRACES_EXPORTER": "console"}
    config = {"supervision": tree, "processes": {"own": {"env": environment}}}
    async with Runtime.from_config(config) as runtime:
        await runtime.ask("own", 1)
        assert (await runtime.ask("own", 1)).payload is True
        await System(runtime).outcome(runtime.ask("own", 0))
        await runtime.ask("own", 1)
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert told.count("process own") == 4
    assert told.count("user code") == 3
    assert set(recorded.names) == {"send own", "restart own"}
    assert names.PROCESSED not in metered.points()
    recorded.provider.shutdown()
