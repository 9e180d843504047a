"""Modules beside a topology that have the name of another module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from civitas import StartFailed
from civitas.process.failures import dump_error, load_error

TEAM = """
from civitas import AgentProcess

class Answers(AgentProcess):
    async def handle(self, message):
        return self.reply("here")
"""

RUN = """
import asyncio, json, sys
from civitas import Runtime

async def main():
    child = {"name": "a", **json.loads(sys.argv[1])}
    async with Runtime.from_config({"name": "hidden", "supervision": {"children": [{"agent": child}]}}) as runtime:
        print((await runtime.ask("a", None)).payload)

if __name__ == "__main__":
    asyncio.run(main())
"""


def run(folder: Path, agent: str) -> subprocess.CompletedProcess[str]:
    (folder / "my_team.py").write_text(TEAM)
    return subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.append('.'){RUN}", agent],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.promise(id="SEM-1165")
def test_a_file_named_like_a_module_of_python_breaks_no_worker(tmp_path: Path) -> None:
    for name in ("random", "string", "queue"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is not yours')")
    done = run(tmp_path, '{"type": "my_team:Answers", "process": "w"}')
    assert done.stdout == "here\n", done.stderr


@pytest.mark.promise(id="SEM-1165")
def test_a_file_that_hides_an_installed_module_is_named_where_the_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pluggy.py").write_text("")
    (tmp_path / "colorsys.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name, whose in (("pluggy", "the installed module"), ("colorsys", "Python's own module")):
        monkeypatch.delitem(sys.modules, name, raising=False)
        with pytest.raises(ImportError) as lacks:
            exec(f"from {name} import nothing_of_this_name")
        text = str(StartFailed("a", lacks.value))
        assert text.endswith(f". {tmp_path / name}.py hides {whose} {name!r}; rename it")
        with pytest.raises(AttributeError) as lacks_too:
            exec(f"import {name}; {name}.nothing_of_this_name")
        assert f"hides {whose} {name!r}" in str(StartFailed("a", lacks_too.value))
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.promise(id="SEM-1165")
def test_a_hidden_package_is_named_also_where_another_process_misses_a_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sqlite3.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [each for each in sys.modules if each.partition(".")[0] == "sqlite3"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError) as lacks:
        exec("from sqlite3.dbapi2 import connect")
    told = dump_error(lacks.value)
    monkeypatch.undo()
    text = str(StartFailed("a", load_error(told)))
    assert text.endswith(f"{tmp_path}/sqlite3.py hides Python's own module 'sqlite3'; rename it")


@pytest.mark.promise(id="SEM-1165")
def test_a_hidden_package_without_a_file_of_its_own_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "spaced_team.py").write_text("")
    (tmp_path / "installed" / "spaced_team").mkdir(parents=True)
    (tmp_path / "installed" / "spaced_team" / "graph.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.syspath_prepend(tmp_path / "beside")
    with pytest.raises(ImportError) as lacks:
        exec("import spaced_team.graph")
    assert "hides the installed module 'spaced_team'" in str(StartFailed("a", lacks.value))
    monkeypatch.delitem(sys.modules, "spaced_team")


def test_a_module_that_hides_nothing_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here_and_nowhere_else.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError) as lacks:
        exec("from only_here_and_nowhere_else import nothing")
    assert "Fix its module" in str(StartFailed("a", lacks.value))
    with pytest.raises(ImportError) as lacks:
        exec("from json import nothing")
    assert "Fix its module" in str(StartFailed("a", lacks.value))
