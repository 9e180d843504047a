"""Which files `civitas run --reload` watches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from civitas.cli.watched_files import WatchedFiles


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "team.py").write_text("one")
    (folder / "topology.yaml").write_text("name: team")
    return folder / "topology.yaml"


def names(paths: object) -> set[str]:
    assert isinstance(paths, dict)
    return {each.name for each in paths}


def test_a_file_that_an_editor_puts_in_the_place_of_another_is_a_change(topology: Path) -> None:
    watch = WatchedFiles(topology)
    before = watch.look()
    fresh = topology.with_name("team.py~")
    fresh.write_text("two")
    assert watch.look() == before
    fresh.replace(topology.with_name("team.py"))
    assert watch.look() != before


def test_modules_that_come_and_go_are_changes(topology: Path) -> None:
    watch = WatchedFiles(topology)
    before = watch.look()
    package = topology.with_name("tools")
    package.mkdir()
    (package / "search.py").touch()
    there = watch.look()
    assert names(there) - names(before) == {"search.py"}
    (package / "search.py").unlink()
    assert watch.look() == before


def test_installed_and_hidden_modules_and_an_editors_lock_are_not_watched(topology: Path) -> None:
    for folder in ("env", ".git", "__pycache__", "node_modules"):
        topology.with_name(folder).mkdir()
        (topology.with_name(folder) / "a.py").touch()
    (topology.with_name("env") / "pyvenv.cfg").touch()
    topology.with_name(".#team.py").symlink_to("me@here.1234")
    assert names(WatchedFiles(topology).look()) == {"team.py", "topology.yaml"}


@pytest.mark.promise(id="SEM-1844")
def test_what_was_changed_or_removed_while_it_was_tried_out_is_a_change(topology: Path) -> None:
    watch = WatchedFiles(topology)
    outside, removed = topology.parents[1] / "tool.py", topology.with_name("old.py")
    outside.touch()
    removed.touch()
    watch.follow([outside])
    seen = watch.look()
    os.utime(topology, ns=(1, 1))
    removed.unlink()
    watch.follow([])
    changed = {path for path, _ in watch.since(seen).items() ^ watch.look().items()}
    assert names(dict.fromkeys(changed)) == {"topology.yaml", "old.py"}
