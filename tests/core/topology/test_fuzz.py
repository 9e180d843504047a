"""Any text gives a topology or a `TopologyError`: never another exception."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from civitas.errors import TopologyError
from civitas.topology import load
from civitas.topology.grammar import (
    AgentEntry,
    ChildEntry,
    ConversationPoolEntry,
    ProcessEntry,
    SupervisorEntry,
    Topology,
)

WORDS = sorted(
    {
        key
        for model in (
            Topology,
            SupervisorEntry,
            AgentEntry,
            ChildEntry,
            ProcessEntry,
            ConversationPoolEntry,
        )
        for key in model.declared()
    }
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([*WORDS, "one_for_one", "at_least_once", "${HOME}", "${", "m.A", "root"])
)
keys = st.sampled_from(WORDS) | scalars
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
agent_bodies = st.dictionaries(keys, values, max_size=4).map(lambda more: {"name": "a", **more})
children = st.lists(
    st.dictionaries(st.sampled_from(list(ChildEntry.declared())), agent_bodies, max_size=2)
    | st.dictionaries(keys, values, max_size=2),
    max_size=3,
)
near_misses = st.builds(
    lambda top, tree, kids: {**top, "supervision": {**tree, "children": kids}},
    st.dictionaries(keys, values, max_size=3),
    st.dictionaries(keys, values, max_size=3),
    children,
)
relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=150,
)


def attempt(config: Any) -> None:
    with contextlib.suppress(TopologyError):
        assert list(load(config).walk())


@given(raw=st.binary(max_size=200))
@relaxed
def test_any_bytes_give_a_topology_or_its_error(tmp_path: Any, raw: bytes) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(raw)
    attempt(file)


@pytest.mark.promise(id="SEM-754")
@given(
    text=st.text(max_size=200) | st.text("abn:-[]{}&*!|>'\"%@`#?,$ \n\t0123456789.<", max_size=80)
)
@example("- &a [*a]")
@example("? ? ?")
@example("%YAML 9.9\n---\n")
@example("a: |9999999999999999999999\n b")
@example('"\\x"')
@example("!<tag:yaml.org,2002:float> x")
@example("!!int 0x")
@example("!!bool y")
@example("a: !!null x")
@example("a: +")
@example("\x85a: [\u2028")
@relaxed
def test_any_text_gives_a_topology_or_its_error(tmp_path: Any, text: str) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(text, encoding="utf-8", errors="ignore")
    attempt(file)


@pytest.mark.promise(id="SEM-754")
@given(config=near_misses)
@relaxed
def test_anything_near_a_topology_gives_one_or_its_error(tmp_path: Any, config: Any) -> None:
    attempt(config)
    file = tmp_path / "topology.yaml"
    try:
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
    except (yaml.YAMLError, UnicodeError):  # what YAML cannot hold
        return
    attempt(file)


@pytest.mark.parametrize("word", WORDS)
def test_a_topology_of_nothing_but_one_word_gives_its_error(word: str) -> None:
    with pytest.raises(TopologyError):
        load({word: word})
