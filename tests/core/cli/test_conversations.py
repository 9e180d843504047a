"""`civitas state` with conversations: each is one line, is shown as its messages, and goes with all it is kept in."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from civitas.frameworks.conversations import Record, key_of
from civitas.state import SQLiteStateStore
from tests.core.cli.support import Result

Civitas = Callable[..., Result]

SDK = {
    "items": [
        {"role": "user", "content": "Where is my parcel?\nIt is late."},
        {"type": "function_call", "name": "track", "call_id": "1", "arguments": '{"parcel": 7}'},
        {"type": "function_call_output", "call_id": "1", "output": "in Bonn"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "In Bonn."}],
        },
    ],
    "agent": "clerk",
}
CREW = [{"inputs": {"topic": "tea"}, "output": "Tea is \x1b[31mgreen."}]
LONG = [{"role": "user", "content": f"{n}" * 1000} for n in range(40)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A topology with an agent's state, and conversations of several kinds."""

    async def keep() -> None:
        store = SQLiteStateStore(tmp_path / "state.db")
        await store.set("counter", {"n": 5})
        await store.set("civitas:context:civitas:conversation:support/ann", {"user": "ann"})
        histories = {"support/ann": SDK, "crew/1": CREW, "support/long": {"items": LONG}}
        for name, history in histories.items():
            record = await Record.load(store, f"civitas:conversation:{name}")
            record.history = history
            if name == "crew/1":
                record.interrupts = [{"id": "q", "value": {"draft": "Tea"}}]
            await record.keep(store, f"civitas:conversation:{name}")
        await store.set(key_of("support", "old"), {"history": {"items": SDK["items"][:1]}})
        await store.close()

    asyncio.run(keep())
    topology = tmp_path / "topology.yaml"
    topology.write_text("state: {type: sqlite, path: state.db}\nsupervision: {}\n")
    return topology


def left(topology: Path) -> list[str]:
    with closing(sqlite3.connect(topology.parent / "state.db")) as database:
        return [key for (key,) in database.execute("SELECT key FROM civitas_state ORDER BY key")]


@pytest.mark.promise(id="SEM-1569")
def test_a_conversation_is_one_line_whatever_it_is_kept_in(civitas: Civitas, saved: Path) -> None:
    names = ["counter", "crew/1", "support/ann", "support/long", "support/old"]
    assert civitas("state", "list", saved).out.splitlines() == names
    assert civitas("state", "list", saved, "--prefix", "support/").out.splitlines() == names[2:]
    assert not any("\x1f" in line for line in civitas("state", "list", saved, "--all").out.split())
    listed = json.loads(civitas("state", "list", saved, "--json").out)
    assert [each["key"] for each in listed] == names
    assert [each["kind"] for each in listed] == ["state", *["conversation"] * 4]
    assert ["used" in each for each in listed] == [False, True, True, True, False]


@pytest.mark.promise(id="SEM-1569")
def test_a_conversation_is_shown_as_its_messages(civitas: Civitas, saved: Path) -> None:
    assert civitas("state", "show", saved, "support/ann") == Result(
        0,
        "user: Where is my parcel?\n"
        "  It is late.\n"
        'assistant calls track({"parcel": 7})\n'
        "tool track: in Bonn\n"
        "assistant: In Bonn.\n",
        "",
    )
    assert civitas("state", "show", saved, "crew/1").out == (
        'user: {"topic": "tea"}\nassistant: Tea is \\x1b[31mgreen.\nwaits for q: {"draft": "Tea"}\n'
    )
    assert civitas("state", "show", saved, "support/old").out == (
        "user: Where is my parcel?\n  It is late.\n"
    )
    assert len(civitas("state", "show", saved, "support/long").out.splitlines()) == 40


def test_a_conversation_is_shown_as_json_too(civitas: Civitas, saved: Path) -> None:
    shown = json.loads(civitas("state", "show", saved, "crew/1", "--json").out)
    assert shown == {
        "messages": [
            {"role": "user", "content": {"topic": "tea"}},
            {"role": "assistant", "content": "Tea is \x1b[31mgreen."},
        ],
        "interrupts": [{"id": "q", "value": {"draft": "Tea"}}],
    }
    everything = json.loads(civitas("state", "show", saved).out)
    assert everything["counter"] == {"n": 5}
    assert everything["crew/1"] == shown


@pytest.mark.promise(id="SEM-1569")
def test_to_clear_a_conversation_removes_all_it_is_kept_in(civitas: Civitas, saved: Path) -> None:
    assert sum("support/long" in key for key in left(saved)) > 1
    for name in ("support/long", "support/ann"):
        result = civitas("state", "clear", saved, name, "--yes")
        assert result.out == f"{saved}: 1 key removed\n"
        assert not any(name in key for key in left(saved))
    result = civitas("state", "clear", saved, "--yes")
    assert result.out.endswith("3 keys removed\n")
    assert left(saved) == []


def test_a_damaged_conversation_can_be_removed(civitas: Civitas, saved: Path) -> None:
    with closing(sqlite3.connect(saved.parent / "state.db")) as database, database:
        database.execute(
            "UPDATE civitas_state SET value = x'c1' WHERE key = ?", (key_of("support", "long"),)
        )
    assert civitas("state", "clear", saved, "support/long", "--yes").code == 0
    assert not any("support/long" in key for key in left(saved))


def test_an_unknown_conversation_is_answered_with_the_nearest(
    civitas: Civitas, saved: Path
) -> None:
    result: Any = civitas("state", "show", saved, "support/anna")
    assert result.err == (
        "civitas: nothing is saved under 'support/anna'; did you mean 'support/ann'?\n"
    )
