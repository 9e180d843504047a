"""What can be wrong with the file, the disk or the arguments: a clear error, and nothing lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from civitas.errors import ConfigurationError, StateConflict, StateStoreError
from civitas.message import encode
from civitas.state import SQLiteStateStore
from civitas.state.sqlite_statements import SCHEMA_VERSION


@pytest.fixture
async def store(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    yield store
    await store.close()


async def make(path: Path, value: int = 1) -> None:
    """A state store's file with something in it."""
    store = SQLiteStateStore(path)
    await store.set("agent", {"n": value})
    await store.close()


async def refused(path: Path) -> str:
    """What a store on `path` says to a read and to a write, which must be the same."""
    store = SQLiteStateStore(path)
    with pytest.raises(StateStoreError) as read:
        await store.get("agent")
    with pytest.raises(StateStoreError) as write:
        await store.set("agent", {"n": 2})
    await store.close()
    assert str(path) in str(read.value)
    assert str(path) in str(write.value)
    return str(write.value)


# Where the file is.


@pytest.mark.promise(id="SEM-662")
async def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path):
    text = await refused(tmp_path / "no" / "such" / "state.db")
    assert f"mkdir -p {tmp_path / 'no' / 'such'}" in text
    assert not (tmp_path / "no").exists()


async def test_a_folder_is_no_file(tmp_path):
    assert "it is a folder" in await refused(tmp_path)


@pytest.mark.parametrize("path", ["pipe", "/dev/null", "file/state.db"])
async def test_a_path_that_can_hold_no_file_says_so(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    text = await refused(tmp_path / path)
    assert "Give the path of a file" in text or "is a file, not a folder" in text


async def test_a_relative_path_is_not_moved_by_a_later_chdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SQLiteStateStore("state.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await store.set("agent", {"n": 1})
    await store.close()
    assert (tmp_path / "state.db").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())


async def test_nothing_is_made_before_the_first_use(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    await store.close()
    assert not list(tmp_path.iterdir())


# Whose file it is.


@pytest.mark.promise(id="SEM-657")
async def test_what_is_no_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"once upon a time, there was a text file; " * 100)
    before = path.read_bytes()
    assert "not an SQLite database" in await refused(path)
    assert path.read_bytes() == before


async def test_the_database_of_another_application_is_left_as_it_is(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders (id)")
    other.close()
    before = path.read_bytes()
    assert "another application" in await refused(path)
    assert path.read_bytes() == before


@pytest.mark.promise(id="SEM-658")
async def test_a_newer_schema_is_left_as_it_is(tmp_path):
    path = tmp_path / "state.db"
    await make(path)
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    text = await refused(path)
    assert "newer Civitas" in text
    assert "Upgrade civitas-core" in text
    newer = sqlite3.connect(path)
    assert newer.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION + 1,)
    newer.close()


def first_version(path: Path) -> None:
    """A file as the first version of the schema made it."""
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA journal_mode = WAL")
    old.execute("CREATE TABLE civitas_state (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)")
    old.execute("PRAGMA application_id = 0x43495654")
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO civitas_state VALUES ('agent', ?)", (encode({"n": 1}),))
    old.close()


@pytest.mark.promise(id="SEM-1562")
async def test_a_file_of_the_first_schema_gets_revisions(tmp_path):
    path = tmp_path / "state.db"
    first_version(path)
    stores = [SQLiteStateStore(path) for _ in range(3)]
    found = await asyncio.gather(*(store.get_with_revision("agent") for store in stores))
    assert found == [({"n": 1}, 1)] * 3
    await stores[0].compare_and_set("agent", {"n": 2}, 1)
    with pytest.raises(StateConflict):
        await stores[1].compare_and_set("agent", {"n": 3}, 1)
    assert await stores[2].get("agent") == {"n": 2}
    for store in stores:
        await store.close()


async def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "state.db").touch()
    await make(tmp_path / "state.db")


@pytest.mark.promise(id="SEM-657")
async def test_a_damaged_page_is_a_clear_error_and_the_rest_is_still_read(tmp_path):
    path = tmp_path / "state.db"
    store = SQLiteStateStore(path)
    for n in range(200):
        await store.set(f"agent-{n:03}", {"text": "x" * 200})
    await store.close()
    content = bytearray(path.read_bytes())
    content[5 * 4096 : 6 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    store = SQLiteStateStore(path)
    read, errors = 0, []
    for n in range(200):
        try:
            assert await store.get(f"agent-{n:03}") == {"text": "x" * 200}
            read += 1
        except StateStoreError as error:
            errors.append(str(error))
    await store.close()
    assert read > 0
    assert errors
    assert "damaged" in errors[0]
    assert "Restore it from a backup" in errors[0]


@pytest.mark.promise(id="SEM-657")
async def test_a_value_that_cannot_be_decoded_names_its_key(store):
    await store.set("agent", {"n": 1})
    await store.set("other", {"n": 2})
    with sqlite3.connect(store.path) as raw:
        raw.execute("UPDATE civitas_state SET value = x'c1' WHERE key = 'agent'")
    raw.close()
    with pytest.raises(StateStoreError, match="'agent' cannot be decoded") as failure:
        await store.get("agent")
    assert failure.value.key == "agent"
    assert await store.get("other") == {"n": 2}


@pytest.mark.parametrize("what", ["removed", "replaced"])
async def test_a_file_that_is_taken_away_meanwhile_is_said_and_not_written_to_unseen(
    store, tmp_path, what
):
    await store.set("agent", {"n": 1})
    await make(tmp_path / "other.db", 7)
    if what == "removed":
        store.path.unlink()
    else:
        (tmp_path / "other.db").replace(store.path)
    results = await asyncio.gather(
        *(store.set(f"agent-{n}", {"n": n}) for n in range(3)), return_exceptions=True
    )
    for result in results:
        assert isinstance(result, StateStoreError)
        assert f"{store.path} was {what} while it was in use" in str(result)
    store.path.unlink(missing_ok=True)


async def test_a_reader_too_is_told_that_the_file_was_taken_away(store):
    await store.set("agent", {"n": 1})
    store.path.unlink()
    with pytest.raises(StateStoreError, match="was removed while it was in use"):
        await store.get("agent")


async def test_a_store_without_its_table_says_what_to_do(tmp_path):
    path = tmp_path / "state.db"
    await make(path)
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TABLE civitas_state")
    raw.close()
    assert "Restore it from a backup" in await refused(path)


# Arguments.


@pytest.mark.promise(id="SEM-662")
@pytest.mark.parametrize("path", ["", None, 7, b"bytes.db"])
def test_a_path_that_is_none_is_refused_at_once(path):
    with pytest.raises(ConfigurationError, match="path must be a file's path"):
        SQLiteStateStore(path)


def test_a_store_that_would_keep_nothing_is_refused():
    with pytest.raises(ConfigurationError, match="InMemoryStateStore"):
        SQLiteStateStore(":memory:")


@pytest.mark.parametrize("seconds", [0, -1, "3", None, True, float("nan")])
def test_a_busy_timeout_that_is_no_time_is_refused(seconds):
    with pytest.raises(ConfigurationError, match="busy_timeout"):
        SQLiteStateStore("state.db", busy_timeout=seconds)


@pytest.mark.parametrize("key", ["", None, 7, "\ud800"])
async def test_a_key_that_is_no_text_is_refused(store, key):
    for action in (store.get(key), store.set(key, {}), store.delete(key)):
        with pytest.raises(StateStoreError, match="key"):
            await action


async def test_a_closed_store_says_so(store):
    await store.set("agent", {"n": 1})
    await store.close()
    for action in (store.get("agent"), store.set("agent", {}), store.delete("agent"), store.keys()):
        with pytest.raises(StateStoreError, match="is closed"):
            await action


@pytest.mark.parametrize("prefix", ["", "a", "ab", "a\U0010ffff", "\ud7ff", "\U0010ffff", "x"])
async def test_the_keys_of_a_prefix_are_found_at_the_ends_of_unicode_too(store, prefix):
    keys = [
        "a",
        "ab",
        "abc",
        "b",
        "a\U0010ffff",
        "a\U0010ffffz",
        "\ud7ff1",
        "\ue000",
        "\U0010ffffq",
    ]
    for key in keys:
        await store.set(key, {})
    assert await store.keys(prefix) == sorted(key for key in keys if key.startswith(prefix))
