"""`civitas state`: what agents have saved, looked at and removed from outside."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import textwrap
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from civitas.state import SQLiteStateStore
from tests.core.cli.support import Result, Running, Terminal

Start = Callable[..., Awaitable[Running]]
Beside = Callable[..., Awaitable[Result]]
OnTerminal = Callable[..., Awaitable[Terminal]]
Project = Callable[..., Path]
Civitas = Callable[..., Result]

STATE = "state: {type: sqlite, path: state.db}"
VALUES: dict[str, dict[str, Any]] = {
    "counter": {"n": 5},
    "support/ann": {"at": "x"},
    "support/bob": {},
    "civitas:step:counter/1/paid": {"result": 1},
}


async def keep(topology: Path, values: dict[str, dict[str, Any]]) -> None:
    store = SQLiteStateStore(topology.parent / "state.db")
    for key, value in values.items():
        await store.set(key, value)
    await store.close()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A topology whose store holds `VALUES`; what it names cannot be imported."""

    topology = tmp_path / "topology.yaml"
    asyncio.run(keep(topology, VALUES))
    topology.write_text(f"{STATE}\nsupervision: {{children: [agent: {{name: ${{NOT_SET}}}}]}}\n")
    return topology


def left(topology: Path) -> list[str]:
    async def look() -> list[str]:
        store = SQLiteStateStore(topology.parent / "state.db")
        keys = await store.keys()
        await store.close()
        return keys

    return asyncio.run(look())


# list and show.


@pytest.mark.promise(id="SEM-811")
def test_list_prints_the_keys_of_agents(civitas: Civitas, saved: Path) -> None:
    assert civitas("state", "list", saved) == Result(0, "counter\nsupport/ann\nsupport/bob\n", "")


def test_list_prints_keys_of_a_prefix_or_all(civitas: Civitas, saved: Path) -> None:
    assert (
        civitas("state", "list", saved, "--prefix", "support/").out == "support/ann\nsupport/bob\n"
    )
    assert civitas("state", "list", saved, "--all").out.splitlines() == sorted(VALUES)


def test_list_says_where_there_is_nothing(civitas: Civitas, saved: Path) -> None:
    result = civitas("state", "list", saved, "--prefix", "x")
    assert result == Result(0, "", f"{saved}: nothing is saved under a key that begins with 'x'\n")


def test_to_look_into_a_store_does_not_make_one(civitas: Civitas, tmp_path: Path) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text(f"{STATE}\nsupervision: {{}}\n")
    assert civitas("state", "list", topology) == Result(0, "", f"{topology}: nothing is saved\n")
    assert civitas("state", "show", topology, "a").err == (
        "civitas: nothing is saved under 'a'; nothing is saved at all\n"
    )
    assert civitas("state", "clear", topology, "--yes").out == f"{topology}: nothing is saved\n"
    assert not (tmp_path / "state.db").exists()


@pytest.mark.promise(id="SEM-811")
def test_show_prints_a_value_or_all_of_them(civitas: Civitas, saved: Path) -> None:
    assert civitas("state", "show", saved, "counter") == Result(0, '{"n": 5}\n', "")
    shown = json.loads(civitas("state", "show", saved, "--prefix", "support/").out)
    assert shown == {"support/ann": {"at": "x"}, "support/bob": {}}
    assert json.loads(civitas("state", "show", saved, "--all").out) == VALUES


def test_an_unknown_key_is_answered_with_the_nearest(civitas: Civitas, saved: Path) -> None:
    for command in ("show", "clear"):
        result = civitas("state", command, saved, "countr")
        assert (result.code, result.out) == (1, "")
        assert result.err == ("civitas: nothing is saved under 'countr'; did you mean 'counter'?\n")
    assert (
        "there are: civitas:step:counter/1/paid, counter, "
        in civitas("state", "show", saved, "zzz").err
    )


# clear.


@pytest.mark.promise(id="SEM-811")
def test_clear_removes_one_key(civitas: Civitas, saved: Path) -> None:
    result = civitas("state", "clear", saved, "support/ann", "--yes")
    assert result == Result(0, f"{saved}: 1 key removed\n", "")
    assert left(saved) == ["civitas:step:counter/1/paid", "counter", "support/bob"]


def test_clear_removes_the_steps_of_an_agents_unfinished_messages_too(
    civitas: Civitas, saved: Path
) -> None:
    assert civitas("state", "clear", saved, "count", "--yes").code == 1  # a part of a name is none
    assert civitas("state", "clear", saved, "counter", "--yes").out.endswith("2 keys removed\n")
    assert left(saved) == ["support/ann", "support/bob"]


def test_clear_removes_steps_also_where_no_state_is_saved(civitas: Civitas, saved: Path) -> None:
    asyncio.run(keep(saved, {"civitas:step:payer/2/paid": {}}))
    assert civitas("state", "clear", saved, "payer", "--yes").out.endswith("1 key removed\n")


def test_clear_removes_what_is_damaged(civitas: Civitas, saved: Path) -> None:
    with closing(sqlite3.connect(saved.parent / "state.db")) as database, database:
        database.execute("UPDATE civitas_state SET value = x'c1' WHERE key = 'counter'")
    assert "delete the key to start afresh" in civitas("state", "show", saved, "counter").err
    assert civitas("state", "clear", saved, "counter", "--yes").code == 0
    assert "counter" not in left(saved)


def test_clear_removes_those_of_a_prefix(civitas: Civitas, saved: Path) -> None:
    result = civitas("state", "clear", saved, "--prefix", "support/", "-y")
    assert result.out == f"{saved}: 2 keys removed\n"
    assert left(saved) == ["civitas:step:counter/1/paid", "counter"]


def test_clear_removes_everything_but_what_is_internal_unless_all_is_meant(
    civitas: Civitas, saved: Path
) -> None:
    asyncio.run(keep(saved, {"civitas:other": {}}))
    assert civitas("state", "clear", saved, "--yes").out.endswith("4 keys removed\n")
    assert left(saved) == ["civitas:other"]
    assert civitas("state", "clear", saved, "--yes", "--all").out.endswith("1 key removed\n")
    assert left(saved) == []


def test_clear_removes_nothing_where_nobody_can_be_asked(civitas: Civitas, saved: Path) -> None:
    result = civitas("state", "clear", saved)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"civitas: this removes 4 keys of {saved}: counter, support/ann, support/bob, "
        "civitas:step:counter/1/paid. "
        "There is nobody here to ask; confirm with --yes\n"
    )
    assert len(left(saved)) == 4


@pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("\n", False), ("no\n", False)])
async def test_clear_asks_on_a_terminal(
    terminal: OnTerminal, saved: Path, answer: str, removed: bool
) -> None:
    clear = await terminal("state", "clear", saved, "counter")
    await clear.until(f"Remove 2 keys of {saved}: counter, civitas:step:counter/1/paid? [y/N] ")
    clear.type(answer)
    assert await clear.end() == 0
    assert ("2 keys removed" if removed else "nothing was removed") in clear.text
    keys = await asyncio.to_thread(left, saved)
    assert ("counter" not in keys) is removed


# Beside a running system, and without a store that lasts.

COUNTS = """
class Counts(AgentProcess):
    async def on_start(self):
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()

    async def handle(self, message): ...
"""


@pytest.mark.promise(id="SEM-811")
async def test_it_works_beside_the_running_system_and_says_what_that_means(
    start: Start, beside: Beside, project: Project
) -> None:
    topology = project(COUNTS, "name: c, type: team.Counts", top=STATE)
    run = await start("run", topology)
    await run.until("ready")
    assert (await beside("state", "show", topology, "c")).out == '{"n": 1}\n'
    cleared = await beside("state", "clear", topology, "c", "--yes")
    assert cleared.out == f"{topology}: 1 key removed\n"
    assert f"the system is running (process {run.process.pid}): an agent keeps" in cleared.err
    run.signal(signal.SIGTERM)
    await run.end()


@pytest.mark.parametrize(
    ("state", "words"),
    [("", "has no 'state'"), ("state: {type: memory}", "keeps its state in memory")],
)
async def test_without_a_store_that_lasts_there_is_nothing_to_look_at(
    start: Start, beside: Beside, project: Project, state: str, words: str
) -> None:
    topology = project(COUNTS, "name: c, type: team.Counts", top=state)
    for command in ("list", "show", "clear"):
        result = await beside("state", command, topology)
        assert (result.code, result.out) == (1, "")
        assert result.err == (
            f"civitas: {topology} {words}: nothing outlives the system. "
            "Write state: {type: sqlite, path: civitas.db}\n"
        )
    run = await start("run", topology)
    await run.until("ready")
    result = await beside("state", "list", topology)
    assert f"(process {run.process.pid}) holds is in its own memory, out of reach" in result.err


def test_a_store_that_cannot_list_its_keys_still_shows_one(
    civitas: Civitas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "plain_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[civitas]\nplain = plain_store_for_tests\n")
    (tmp_path / "plain_store_for_tests.py").write_text(
        textwrap.dedent(
            """
            import civitas

            class Plain:
                async def get(self, key):
                    return {"n": 1} if key == "a" else None

                async def set(self, key, value): ...

                async def delete(self, key): ...

            @civitas.hookimpl
            def civitas_state_stores():
                return {"plain": Plain}
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    topology = tmp_path / "topology.yaml"
    topology.write_text("state: {type: plain}\nsupervision: {}\n")
    assert civitas("state", "show", topology, "a").out == '{"n": 1}\n'
    assert civitas("state", "show", topology, "b").err == "civitas: nothing is saved under 'b'\n"
    assert civitas("state", "clear", topology, "a", "--yes").out.endswith("1 key removed\n")
    result = civitas("state", "list", topology)
    assert result.code == 1
    assert "the state store 'plain' (Plain) cannot list its keys" in result.err


@pytest.mark.parametrize("command", ["list", "show", "clear"])
def test_a_file_that_is_no_store_is_one_line(
    civitas: Civitas, tmp_path: Path, command: str
) -> None:
    (tmp_path / "state.db").write_text("not a database, but long enough to be taken for one" * 20)
    topology = tmp_path / "topology.yaml"
    topology.write_text(f"{STATE}\nsupervision: {{}}\n")
    result = civitas("state", command, topology)
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert "is not an SQLite database" in line
