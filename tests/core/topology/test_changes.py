"""`--set`: what holds instead of what a topology file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from civitas.errors import TopologyError
from civitas.topology import Topology, load
from civitas.topology.changes import parse_change
from civitas.topology.handover import digest_of

TEXT = """\
transport: {type: nats, servers: ["nats://127.0.0.1:4222"]}
runtime: {drain_timeout: 5}
supervision: {children: [{agent: {name: a, type: m.A, process: gpu}}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "topology.yaml").write_text(TEXT)
    return tmp_path / "topology.yaml"


def with_changes(file: Path, *changes: str) -> Topology:
    return load(file, map(parse_change, changes))


@pytest.mark.promise(id="SEM-1827")
def test_what_is_set_holds_instead_of_the_file(file: Path) -> None:
    topology = with_changes(
        file,
        "transport.servers=nats://nats:4222",
        "runtime.drain_timeout=60",
        "processes.gpu.start=false",
        "state.type=sqlite",
        "state.path=/data/a=b.db",
    )
    assert topology.transport.further["servers"] == "nats://nats:4222"
    assert topology.runtime.drain_timeout == 60
    assert topology.processes["gpu"].start is False
    assert topology.state is not None
    assert topology.state.further["path"] == "/data/a=b.db"


def test_a_name_with_a_dot_stands_in_quotes(file: Path) -> None:
    assert parse_change('processes."gpu.1".start=false') == (("processes", "gpu.1", "start"), False)


@pytest.mark.parametrize("text", ["", "a", "=1", ".a=1", "a..b=1", "a.=1", 'a"b=1'])
def test_what_is_no_place_and_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write KEY\.KEY=VALUE"):
        parse_change(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("runtime.drain=60", "--set runtime.drain: unknown key 'drain' in 'runtime'"),
        (
            "runtime.drain_timeout=soon",
            "--set runtime.drain_timeout: 'drain_timeout' must be a number",
        ),
        ("supervision.children.a.type=x", "'supervision.children' must be a mapping"),
        ("runtime.drain_timeout.x=1", "'runtime.drain_timeout' must be a mapping"),
    ],
)
def test_a_mistake_in_it_is_said_to_be_there_and_not_in_the_file(
    file: Path, change: str, said: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        with_changes(file, change)
    assert said in str(caught.value)
    assert ":1: " not in str(caught.value)


def test_two_processes_with_the_same_changes_have_the_same_topology(file: Path) -> None:
    first, second = (with_changes(file, "processes.gpu.start=false") for _ in range(2))
    assert digest_of(first) == digest_of(second) != digest_of(load(file))
