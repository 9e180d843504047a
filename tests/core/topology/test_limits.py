"""What a topology may say and this version cannot run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.errors import TopologyError
from civitas.topology import build, load

Write = Callable[[str], Path]


@pytest.mark.promise(id="SEM-754")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("transport: {type: zmq, adress: x}", 1, "did you mean 'address'?"),
        ("transport: {type: nats, on_partition: no}", 1, "'on_partition' must be keep or stop"),
        ("transport: {type: in_proces}", 1, "did you mean 'in_process'?"),
        ("transport: {type: in_process, port: 5}", 1, "unknown key 'port'"),
        ("edge:\n  http:\n    host: 0.0.0.0", 3, "a token is needed: token: ${EDGE_TOKEN}"),
    ],
)
def test_what_this_version_cannot_run_is_refused_in_a_sentence(
    write: Write, text: str, line: int, words: str
) -> None:
    topology = load(write(f"{text}\nsupervision: {{}}"))
    with pytest.raises(TopologyError) as caught:
        build(topology)
    assert words in str(caught.value)
    assert caught.value.line == line


@pytest.mark.promise(id="SEM-1510")
@pytest.mark.parametrize("transport", ["", "transport: {type: zmq}\n"])
@pytest.mark.parametrize("kind", ["agent", "conversation_pool"])
def test_expose_without_nats_is_refused_with_what_is_needed(
    write: Write, transport: str, kind: str
) -> None:
    child = f"{{{kind}: {{name: a, type: civitas.AgentProcess, expose: true}}}}"
    topology = load(write(f"{transport}supervision: {{children: [{child}]}}"))
    with pytest.raises(TopologyError, match=r"over NATS; write transport: \{type: nats"):
        build(topology)


def test_expose_false_needs_nothing(write: Write) -> None:
    child = "{agent: {name: a, type: civitas.AgentProcess, expose: false}}"
    build(load(write(f"supervision: {{children: [{child}]}}")))


@pytest.mark.promise(id="SEM-1897")
@pytest.mark.parametrize(
    ("package", "text", "line", "cure"),
    [
        (
            "zmq",
            "{children: [{agent: {name: a, type: civitas.AgentProcess, process: w}}]}",
            2,
            "zmq",
        ),
        ("nats", "{children: [{agent: {name: a, type: civitas.AgentProcess}}]}", 1, "nats"),
    ],
)
def test_a_carrier_that_cannot_be_imported_is_a_line_with_what_installs_it(
    write: Write, monkeypatch: pytest.MonkeyPatch, package: str, text: str, line: int, cure: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    transport = "transport: {type: nats, servers: [nats://127.0.0.1:1]}" if cure == "nats" else ""
    topology = load(write(f"{transport or 'name: a'}\nsupervision: {text}"))
    with pytest.raises(TopologyError, match=rf"pip install 'civitas-core\[{cure}\]'") as caught:
        build(topology)
    assert caught.value.line == line


@pytest.mark.promise(id="SEM-1897")
@pytest.mark.parametrize(
    "transport", ["zmq", "nats, servers: [nats://127.0.0.1:1], jetstream: false"]
)
def test_a_carrier_that_has_nothing_to_carry_needs_nothing(
    write: Write, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    monkeypatch.setitem(sys.modules, "nats", None)
    child = "{agent: {name: a, type: civitas.AgentProcess}}"
    build(load(write(f"transport: {{type: {transport}}}\nsupervision: {{children: [{child}]}}")))
