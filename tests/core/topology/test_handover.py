"""The root hands its checked topology to the processes that it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from civitas.errors import ConfigurationError
from civitas.topology import load
from civitas.topology.handover import handed_over, taken_over

TEXT = """
supervision:
  children:
    - agent: {name: a, type: m.A, process: w, mailbox_size: 7, colour: "${COLOUR}"}
    - supervisor: {name: s, children: [{conversation_pool: {name: p, wrap: "m:g"}}]}
"""


def test_a_process_has_the_topology_as_the_root_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.yaml").write_text(TEXT)
    monkeypatch.setenv("COLOUR", "red")
    topology = load(tmp_path / "t.yaml")
    raw = handed_over(topology)
    monkeypatch.setenv("COLOUR", "blue")
    (tmp_path / "t.yaml").unlink()
    there = taken_over(raw)
    assert there == topology
    assert there.source == topology.source
    path, agent = there.agents["a"]
    assert agent.keywords() == {"mailbox_size": 7, "colour": "red"}
    assert there.source.problem(path, "").line == 4


def test_an_object_that_no_file_could_hold_is_refused_at_the_root() -> None:
    agent = {"name": "a", "type": "m.A", "lock": object()}
    topology = load({"supervision": {"children": [{"agent": agent}]}})
    with pytest.raises(ConfigurationError, match="another OS process"):
        handed_over(topology)
