"""The write-ahead log beside the SQLite file stays short."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from civitas import SQLiteStateStore

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
