"""`civitas topology diff` and `schema`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from tests.core.cli.support import Result

Civitas = Callable[..., Result]

OLD = """
name: team
processes: {crew: {env: {KEY: secret-1}}}
supervision:
  children:
    - agent: {name: planner, type: app.Planner, style: terse}
    - agent: {name: research, wrap: "app:graph"}
    - supervisor: {name: inner, children: [agent: {name: writer, type: app.Writer}]}
    - agent: {name: old, type: app.Old}
"""
NEW = """
name: team
processes: {crew: {env: {KEY: secret-2, MORE: secret-3}}}
supervision:
  strategy: rest_for_one
  children:
    - agent: {name: research, wrap: "app:graph"}
    - agent: {name: planner, type: app.Planner, style: {tone: kind}, handle_timeout: 5}
    - agent: {name: writer, type: app.Writer}
    - supervisor: {name: inner, children: [agent: {name: new, type: app.New, restart: transient}]}
"""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(OLD)
    Path("new.yaml").write_text(NEW)


@pytest.mark.promise(id="SEM-812")
def test_diff_reads_as_people_read_it(civitas: Civitas) -> None:
    result = civitas("topology", "diff", "old.yaml", "new.yaml")
    assert (result.code, result.err) == (1, "")
    assert result.out.splitlines() == [
        "~ process crew  env.KEY: changed",
        "~ process crew  env.MORE: added",
        "~ supervisor root  strategy: one_for_one → rest_for_one",
        "~ supervisor root  order: planner, research, inner → research, planner, inner",
        "~ agent planner  handle_timeout: null → 5",
        '~ agent planner  style: terse → {"tone": "kind"}',
        "~ agent writer  moved from inner to root",
        "+ agent new  under inner, app.New, transient",
        "- agent old  was under root",
    ]


def test_diff_of_the_same_is_exit_code_0(civitas: Civitas) -> None:
    assert civitas("topology", "diff", "old.yaml", "old.yaml") == Result(0, "no difference\n", "")
    assert civitas("topology", "diff", "old.yaml", "old.yaml", "--json") == Result(0, "[]\n", "")


def test_diff_as_json_holds_the_same(civitas: Civitas) -> None:
    result = civitas("topology", "diff", "old.yaml", "new.yaml", "--json")
    assert result.code == 1
    changes = json.loads(result.out)
    assert len(changes) == 9
    assert changes[0] == {
        "change": "changed",
        "kind": "process",
        "name": "crew",
        "key": "env.KEY",
        "old": "***",
        "new": "***",
    }
    assert changes[6] == {
        "change": "moved",
        "kind": "agent",
        "name": "writer",
        "old": "inner",
        "new": "root",
    }
    assert changes[7] == {"change": "added", "kind": "agent", "name": "new", "new": "inner"}
    assert "secret" not in result.out


def test_diff_of_what_is_not_valid_is_a_line_with_its_place(civitas: Civitas) -> None:
    Path("new.yaml").write_text("supervision: {strategi: x}\n")
    result = civitas("topology", "diff", "old.yaml", "new.yaml")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("new.yaml:1: unknown key 'strategi'")


@pytest.mark.promise(id="SEM-812")
def test_schema_is_printed_or_written(civitas: Civitas) -> None:
    printed = civitas("topology", "schema")
    assert (printed.code, printed.err) == (0, "")
    Draft7Validator.check_schema(json.loads(printed.out))
    written = civitas("topology", "schema", "--output", "topology.schema.json")
    assert written.code == 0
    assert "# yaml-language-server: $schema=topology.schema.json" in written.out
    assert Path("topology.schema.json").read_text() == printed.out


def test_schema_that_cannot_be_written_is_one_line(civitas: Civitas) -> None:
    result = civitas("topology", "schema", "--output", "nowhere/topology.schema.json")
    assert (result.code, result.out) == (1, "")
    assert result.err == ("civitas: 'nowhere/topology.schema.json': No such file or directory\n")


def test_an_agent_for_each_conversation_is_shown_as_the_pool_that_it_becomes(
    civitas: Civitas,
) -> None:
    Path("pool.yaml").write_text("""
supervision:
  children:
    - agent: {name: desk, wrap: "app:graph", per_conversation: true, max_live: 7}
""")
    shown = civitas("topology", "show", "pool.yaml").out
    assert "desk  conversation pool  wraps app:graph, at most 7 awake" in shown
    valid = civitas("topology", "validate", "pool.yaml", "--no-import").out
    assert valid == "pool.yaml: valid, 1 conversation pool, 1 supervisor\n"


@pytest.mark.promise(id="SEM-1667")
def test_show_says_when_an_agent_is_due(civitas: Civitas) -> None:
    Path("timed.yaml").write_text("""
supervision:
  children:
    - agent: {name: report, type: app.Report, schedule: "30 2 1 1 *", timezone: Europe/Berlin}
    - agent: {name: inbox, type: app.Inbox, every: 10m}
""")
    shown = civitas("topology", "show", "timed.yaml").out
    assert re.search(r"30 2 1 1 \* \(Europe/Berlin\), next \d{4}-01-01 02:30:00", shown)
    assert "every 600 s" in shown
