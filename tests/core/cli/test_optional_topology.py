"""Commands that are given no topology."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result
from tests.core.cli.test_commands import RUNNABLE

Civitas = Callable[..., Result]


@pytest.mark.parametrize(
    "command",
    [
        ["top"],
        ["tree"],
        ["inspect", "writer"],
        ["restart", "writer"],
        ["ask", "writer", "--timeout", "5", "null"],
        ["send", "writer", '{"by": 2}', "--type", "tick"],
        ["scale", "writer", "3"],
        ["runs", "list"],
        ["runs", "cancel", "order-17"],
        ["dead-letters", "replay", "17", "18"],
        ["state", "clear", "counter", "--yes"],
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_a_command_takes_the_topology_of_this_folder_if_it_is_given_none(
    civitas: Civitas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    (tmp_path / "topology.yaml").write_text(RUNNABLE)
    monkeypatch.chdir(tmp_path)
    result = civitas(*command)
    assert result.code == 1
    assert result.err == civitas(*_with_topology(command)).err


def _with_topology(command: list[str]) -> list[str]:
    group = 2 if command[0] in {"runs", "dead-letters", "state"} else 1
    return [*command[:group], "topology.yaml", *command[group:]]


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ([], "NAME"),
        (["writer"], "JSON"),
        (["topology.yaml", "writer"], "JSON"),  # and not an agent called topology.yaml
        (["other.yml", "writer"], "JSON"),
        (["a-file", "writer"], "JSON"),
    ],
    ids=repr,
)
def test_what_is_missing_from_a_command_is_named(
    civitas: Civitas,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    missing: str,
) -> None:
    (tmp_path / "a-file").write_text(RUNNABLE)
    monkeypatch.chdir(tmp_path)
    assert f"Missing argument '{missing}'" in civitas("ask", *arguments).err
