"""`compare`: what changes from one topology to another."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from civitas.topology import load
from civitas.topology.difference import HIDDEN, NOTHING, Change, compare

BASE = """
name: team
state: {type: sqlite, path: a.db}
processes:
  crew: {python: .venv, env: {KEY: secret, LEVEL: info}}
supervision:
  strategy: one_for_one
  children:
    - agent: {name: planner, type: app.Planner, args: {style: terse}}
    - agent: {name: research, wrap: "app:graph"}
    - supervisor:
        name: inner
        children:
          - agent: {name: writer, type: app.Writer}
          - agent: {name: editor, type: app.Editor}
    - conversation_pool: {name: support, wrap: "app:agent"}
"""


def changes(*replacements: tuple[str, str], base: str = BASE) -> list[Change]:
    """What changes when these words of the base are replaced."""
    text = base
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return compare(load(yaml.safe_load(base)), load(yaml.safe_load(text)))


def test_a_topology_differs_in_nothing_from_itself() -> None:
    assert changes() == []


@pytest.mark.parametrize(
    "replacement",
    [
        ("args: {style: terse}", "style: terse"),
        ("one_for_one", "One_For_One"),
        ("type: app.Writer", "type: app.Writer, restart: permanent, mailbox_size: 1000"),
        ("  strategy: one_for_one\n", "  name: root\n"),
        ("name: team", "name: team\ntransport: {type: in_process}\nruntime: {drain_timeout: 30}"),
    ],
)
def test_what_means_the_same_is_no_difference(replacement: tuple[str, str]) -> None:
    assert changes(replacement) == []


@pytest.mark.parametrize(
    ("replacement", "kind", "name", "key", "old", "new"),
    [
        (("name: team", "name: crew"), "system", "crew", "name", "team", "crew"),
        (("path: a.db", "path: b.db"), "system", "team", "state.path", "a.db", "b.db"),
        (
            ("name: team", "runtime: {drain_timeout: 5}\nname: team"),
            *("system", "team", "runtime.drain_timeout", 30.0, 5.0),
        ),
        (
            ("name: team", "tools: [{type: search}]\nname: team"),
            *("system", "team", "tools", NOTHING, [{"type": "search"}]),
        ),
        (
            ("name: team", "tools: [{type: search, api_key: k, at: {token: t}}]\nname: team"),
            *("system", "team", "tools", NOTHING),
            [{"type": "search", "api_key": HIDDEN, "at": {"token": HIDDEN}}],
        ),
        (
            ("name: team", "results: {keep: 1 h}\nname: team"),
            *("system", "team", "results.keep", 86400.0, 3600.0),
        ),
        (("python: .venv", "python: .v2"), "process", "crew", "python", ".venv", ".v2"),
        (("KEY: secret", "KEY: other"), "process", "crew", "env.KEY", HIDDEN, HIDDEN),
        ((", LEVEL: info", ""), "process", "crew", "env.LEVEL", HIDDEN, NOTHING),
        (("style: terse", "style: long"), "agent", "planner", "style", "terse", "long"),
        (
            ("type: app.Writer", "type: app.Writer, delivery: AT_LEAST_ONCE"),
            *("agent", "writer", "delivery", "at_most_once", "at_least_once"),
        ),
        (
            ("type: app.Writer", "type: app.Writer, flag: true"),
            *("agent", "writer", "flag", NOTHING, True),
        ),
        (
            ("one_for_one", "rest_for_one"),
            *("supervisor", "root", "strategy", "one_for_one", "rest_for_one"),
        ),
        (
            ("strategy: one_for_one", "name: top"),
            *("supervisor", "top", "name", "root", "top"),
        ),
        (
            ('wrap: "app:agent"', 'wrap: "app:agent", max_live: 5'),
            *("conversation_pool", "support", "max_live", 1000, 5),
        ),
    ],
)
def test_a_changed_key_is_told_with_old_and_new(
    replacement: tuple[str, str], kind: Any, name: str, key: str, old: Any, new: Any
) -> None:
    assert changes(replacement) == [Change("changed", kind, name, key, old, new)]


@pytest.mark.parametrize(
    ("top", "key"),
    [
        ("mcp: {files: {command: [serve], env: {KEY: hunter1}}}", "mcp.files.env.KEY"),
        ("model: {type: app.Model, api_key: hunter1}", "model.api_key"),
        ("transport: {type: nats, servers: ['nats://hunter1@h:4222']}", "transport.servers"),
    ],
)
def test_a_secret_that_changes_is_told_and_not_shown(top: str, key: str) -> None:
    (change,) = changes(("hunter1", "hunter2"), base=f"{top}\n{BASE}")
    assert change.key == key
    assert "hunter" not in repr(change)


def test_true_is_not_one() -> None:
    base = BASE.replace("style: terse", "style: 1")
    assert changes(("style: 1", "style: true"), base=base) == [
        Change("changed", "agent", "planner", "style", 1, True)
    ]


def test_from_a_class_to_a_wrapped_object_are_two_keys() -> None:
    assert changes(("type: app.Writer", 'wrap: "app:crew"')) == [
        Change("changed", "agent", "writer", "type", "app.Writer", NOTHING),
        Change("changed", "agent", "writer", "wrap", NOTHING, "app:crew"),
    ]


def test_what_is_new_and_what_is_gone_is_told_with_its_supervisor() -> None:
    assert changes(("name: editor", "name: critic")) == [
        Change("added", "agent", "critic", new="inner"),
        Change("removed", "agent", "editor", old="inner"),
    ]
    assert changes(("crew: {", "gpu: {")) == [
        Change("added", "process", "gpu"),
        Change("removed", "process", "crew"),
    ]


def test_an_agent_that_moves_is_told_once_also_where_it_changes() -> None:
    line = '    - agent: {name: research, wrap: "app:graph"}\n'
    below = "          - agent: {name: writer"
    moved = line.replace("    -", "          -").replace("graph", "graph2")
    assert changes((line, ""), (below, moved + below)) == [
        Change("moved", "agent", "research", old="root", new="inner"),
        Change("changed", "agent", "research", "wrap", "app:graph", "app:graph2"),
    ]


def test_an_agent_that_becomes_a_pool_is_another() -> None:
    assert changes(("agent: {name: writer", "conversation_pool: {name: writer")) == [
        Change("added", "conversation_pool", "writer", new="inner"),
        Change("removed", "agent", "writer", old="inner"),
    ]


def test_another_order_of_the_children_is_a_change_and_what_is_new_among_them_is_not() -> None:
    assert changes(
        ("name: writer, type: app.Writer", "name: x, type: app.X"),
        ("name: editor, type: app.Editor", "name: writer, type: app.Writer"),
        ("name: x, type: app.X", "name: editor, type: app.Editor"),
    ) == [
        Change(
            "reordered", "supervisor", "inner", old=["writer", "editor"], new=["editor", "writer"]
        )
    ]
    added = "    - agent: {name: first, type: app.First}\n"
    line = "    - agent: {name: planner"
    assert changes((line, added + line)) == [Change("added", "agent", "first", new="root")]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("secret: first", "secret: other", "transport.secret"),
        ("password: first", "password: other", "transport.password"),
        (
            'servers: ["nats://ann:first@host"]',
            'servers: ["nats://ann:other@host"]',
            "transport.servers",
        ),
    ],
)
def test_a_secret_of_a_transport_is_not_shown(old: str, new: str, key: str) -> None:
    base = f"{BASE}\ntransport: {{type: nats, {old}}}"
    assert changes((old, new), base=base) == [
        Change("changed", "system", "team", key, HIDDEN, HIDDEN)
    ]
