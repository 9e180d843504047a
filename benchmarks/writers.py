"""Many writers of one SQLite file, beside raw sqlite3 that writes as many rows in one transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import msgpack

from civitas import SQLiteStateStore

WRITERS = 64


async def raw(rounds: int = 100) -> float:
    """Rows a second, in durable transactions of 64."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "raw.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)")
        started = time.perf_counter()
        for number in range(rounds):
            rows = [(f"agent-{each}", msgpack.packb({"n": number})) for each in range(WRITERS)]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)
            connection.execute("COMMIT")
        elapsed = time.perf_counter() - started
        connection.close()
        return rounds * WRITERS / elapsed


async def ours(rounds: int = 100) -> float:
    """Durable sets a second by 64 writers, each waiting for its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStateStore(Path(folder) / "ours.db")
        await store.set("first", {})

        async def write(key: str) -> None:
            for number in range(rounds):
                await store.set(key, {"n": number})

        started = time.perf_counter()
        await asyncio.gather(*(write(f"agent-{each}") for each in range(WRITERS)))
        elapsed = time.perf_counter() - started
        await store.close()
        return rounds * WRITERS / elapsed
