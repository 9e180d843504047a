"""The write-ahead log beside the SQLite file stays short."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from civitas import SQLiteStateStore
from civitas.message import encode
from civitas.state import LongRecord

MEBIBYTE = 2**20


@pytest.mark.promise(id="SEM-1284")
async def test_a_log_that_became_long_is_begun_again_once_nobody_is_in_the_way(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    log = tmp_path / "state.db-wal"
    store = SQLiteStateStore(path)
    await store.set("first", {})
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT key FROM civitas_state").fetchall()
    for number in range(17):
        await store.set(f"large {number}", {"value": bytes(MEBIBYTE)})
    assert log.stat().st_size > 16 * MEBIBYTE
    reader.close()
    async with asyncio.timeout(5):
        while log.stat().st_size > MEBIBYTE:
            await store.set("next", {})
    assert await store.get("large 16") == {"value": bytes(MEBIBYTE)}
    await store.close()


@pytest.mark.promise(id="SEM-1575")
async def test_a_turn_of_a_conversation_adds_little_more_to_the_log_than_what_is_new(
    tmp_path: Path,
) -> None:
    store = SQLiteStateStore(tmp_path / "state.db")
    log = tmp_path / "state.db-wal"
    record = await LongRecord.load(store, "civitas:conversation:clerk/user-42")
    said: list[str] = []
    for turn in range(20):
        said += [f"{turn} {'question' * 250}", f"{turn} {'answered' * 250}"]
        before = log.stat().st_size if turn else 0
        await record.save({}, {"said": said})
    new = len(encode(said[-2:]))
    assert log.stat().st_size - before < 3.2 * new
    await store.close()


@pytest.mark.promise(id="SEM-1575")
async def test_a_file_with_pages_of_another_size_keeps_them_and_its_log_is_as_short(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA page_size = 8192")
    old.execute("CREATE TABLE civitas_state (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)")
    old.execute("PRAGMA application_id = 0x43495654")
    old.execute("PRAGMA user_version = 1")
    old.close()
    for file, size in ((path, 8192), (tmp_path / "new.db", 2048)):
        store = SQLiteStateStore(file)
        for number in range(5):
            await store.set(f"large {number}", {"value": bytes(MEBIBYTE)})
        assert file.with_name(f"{file.name}-wal").stat().st_size < 6 * MEBIBYTE
        assert file.stat().st_size > 4 * MEBIBYTE  # the log was moved into it
        await store.close()
        with contextlib.closing(sqlite3.connect(file)) as found:
            assert found.execute("PRAGMA page_size").fetchone() == (size,)
