"""`runtime_options`: the keywords of `Runtime` that a topology gives, the state store above all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import civitas.plugins
from civitas.errors import TopologyError
from civitas.plugins import PluginManager
from civitas.state import InMemoryStateStore, SQLiteStateStore
from civitas.topology import build, load, runtime_options

Write = Callable[[str], Path]


def options(write: Write, text: str, **keywords: Any) -> dict[str, Any]:
    return runtime_options(load(write(f"{text}\nsupervision: {{}}")), **keywords)


@pytest.mark.promise(id="SEM-761")
def test_the_options_of_the_runtime_come_from_the_file(write: Write) -> None:
    assert options(write, "name: x\nruntime: {drain_timeout: 5}") == {
        "name": "x",
        "transport": "in_process",
        "drain_timeout": 5,
    }


@pytest.mark.promise(id="SEM-756")
def test_a_relative_path_of_the_state_is_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    store = options(write, "state: {type: sqlite, path: here/state.db}")["state_store"]
    assert isinstance(store, SQLiteStateStore)
    assert str(tmp_path / "here" / "state.db") in repr(store)


def test_the_memory_store_needs_nothing(write: Write) -> None:
    assert isinstance(options(write, "state: {type: memory}")["state_store"], InMemoryStateStore)


def test_what_the_caller_gives_is_left_out(write: Write) -> None:
    given = options(write, "state: {type: nobody}", leave_out={"state_store", "name"})
    assert given.keys() == {"transport", "drain_timeout"}


@pytest.mark.promise(id="SEM-708")
def test_a_plugin_brings_a_state_store(write: Write) -> None:
    class Store(InMemoryStateStore):
        def __init__(self, url: str, **client: Any) -> None:
            super().__init__()
            self.given = (url, client)

    class Plugin:
        @civitas.plugins.hookimpl
        def civitas_state_stores(self) -> dict[str, Any]:
            return {"own": Store}

    plugins = PluginManager([Plugin()], discover=False)
    found = options(write, "state: {type: own, url: u, db: 2}", plugins=plugins)
    assert found["state_store"].given == ("u", {"db": 2})


@pytest.mark.promise(id="SEM-762")
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("type: sqlit, path: x", "unknown state store 'sqlit'; did you mean 'sqlite'?"),
        ("type: sqlite", "state of type 'sqlite' needs 'path'"),
        (
            "type: sqlite, pth: x",
            "unknown key 'pth' in state of type 'sqlite'; did you mean 'path'?",
        ),
        ("type: sqlite, path: 5", "path"),
        ("type: memory, path: x", "unknown key 'path' in state of type 'memory'"),
    ],
)
def test_a_state_that_does_not_fit_is_named_with_its_line(
    write: Write, state: str, words: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        options(write, f"name: x\nstate: {{{state}}}")
    assert words in str(caught.value)
    assert caught.value.line == 2


WRONG_TWICE = """
    state: {type: sqlit}
    supervision:
      children:
        - agent: {name: a, type: civitas.process.AgentProces}
"""


def test_what_is_wrong_with_state_and_tree_is_told_together(write: Write) -> None:
    with pytest.raises(TopologyError) as caught:
        build(load(write(WRONG_TWICE)))
    first, second = str(caught.value).splitlines()
    assert "topology.yaml:1: unknown state store 'sqlit'" in first
    assert "topology.yaml:4: 'civitas.process' has no 'AgentProces'" in second


def test_a_store_that_is_given_otherwise_is_not_looked_at_in_the_file(write: Write) -> None:
    with pytest.raises(TopologyError) as caught:
        build(load(write(WRONG_TWICE)), leave_out={"state_store"})
    assert "sqlit" not in str(caught.value)
