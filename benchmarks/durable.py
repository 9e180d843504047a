"""What is on the disk when it returns: checkpoints and steps, over SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgpack

from benchmarks.agents import Saver
from benchmarks.harness import Benchmark, Measurement, Target, at_least
from civitas import Runtime, SQLiteStateStore, Supervisor

__all__ = ["CHECKPOINT", "PROCESSES", "STEP", "WRITERS", "steps"]

_TABLE = "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"
_WRITE = "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_SINGLE = 200
_GROUP, _GROUPS = 64, 100
_PROCESSES, _AGENTS, _EACH = 4, 8, 50


@contextmanager
def _database(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_TABLE)
        yield connection


def _raw(group: int, commits: int) -> Measurement:
    """Rows a second of raw sqlite3: a write-ahead log, full sync, `group` rows in a transaction."""

    def measure() -> float:
        with (
            tempfile.TemporaryDirectory() as folder,
            _database(Path(folder) / "raw.db") as connection,
        ):
            started = time.perf_counter()
            for number in range(commits):
                value = msgpack.packb({"n": number})
                rows = [(f"agent-{each}", value) for each in range(group)]
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_WRITE, rows)
                connection.execute("COMMIT")
            return group * commits / (time.perf_counter() - started)

    return measure


def _raw_steps() -> float:
    """Steps a second of raw sqlite3: a row and a commit for each, and all are dropped when the message is finished."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _database(Path(folder) / "raw.db") as connection,
    ):
        started = time.perf_counter()
        for number in range(_SINGLE):
            connection.execute(_WRITE, (f"step:{number}", msgpack.packb({"n": 1})))
        connection.execute("DELETE FROM state WHERE key >= 'step:' AND key < 'step;'")
        return _SINGLE / (time.perf_counter() - started)


async def _work(file: Path, agents: int, each: int, message_type: str) -> tuple[float, int]:
    """Let agents save at once, and return the seconds and the errors."""
    store = SQLiteStateStore(file)
    names = [f"agent-{number}" for number in range(agents)]
    tree = Supervisor("root", children=[Saver(name) for name in names])
    try:
        async with Runtime(tree, state_store=store) as runtime:
            started = time.perf_counter()
            replies = await asyncio.gather(
                *(runtime.ask(name, each, message_type, timeout=None) for name in names)
            )
            return time.perf_counter() - started, sum(reply.payload for reply in replies)
    finally:
        await store.close()


def _civitas(agents: int, each: int, message_type: str = "checkpoints") -> Measurement:
    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "civitas.db"
            seconds, errors = asyncio.run(_work(file, agents, each, message_type))
            assert errors == 0
            return agents * each / seconds

    return measure


def steps(runs: int, each: int) -> Measurement:
    """Durable steps a second of so many runs at once."""
    return _civitas(runs, each, "steps")


def _in_processes(name: str) -> Measurement:
    """Writes a second of several OS processes that all write the same keys of one file."""

    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shared.db"
            command = [sys.executable, "-m", "benchmarks.durable", name, str(file)]
            running = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
                for _ in range(_PROCESSES)
            ]
            told = [process.communicate()[0].split() for process in running]
            errors = sum(int(count) for _, count in told)
            assert errors == 0, f"{errors} writes failed"
            return sum(_AGENTS * _EACH / float(seconds) for seconds, _ in told)

    return measure


def _raw_writer(file: Path) -> tuple[float, int]:
    """As many commits as the agents of one process make, with SQLite's own waiting for the lock."""
    errors = 0
    with _database(file) as connection:
        started = time.perf_counter()
        for number in range(_EACH):
            rows = [(f"agent-{each}", msgpack.packb({"n": number})) for each in range(_AGENTS)]
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_WRITE, rows)
                connection.execute("COMMIT")
            except sqlite3.OperationalError:
                errors += len(rows)
        return time.perf_counter() - started, errors


CHECKPOINT = Benchmark(
    "checkpoint, one writer",
    "/s",
    {"limit": _raw(1, _SINGLE), "civitas": _civitas(1, _SINGLE)},
    at_least(0.7),
)
WRITERS = Benchmark(
    "checkpoint, 64 writers",
    "/s",
    {"limit": _raw(_GROUP, _GROUPS), "civitas": _civitas(_GROUP, _GROUPS)},
    at_least(0.7),
)
PROCESSES = Benchmark(
    "checkpoint, 8 agents x 4 processes",
    "/s",
    {"limit": _in_processes("limit"), "civitas": _in_processes("civitas")},
    Target("0 errors", lambda ours, limit, ratio: True),  # an error ends the benchmark
)
STEP = Benchmark(
    "durable step",
    "/s",
    {"limit": _raw_steps, "civitas": _civitas(1, _SINGLE, "steps")},
    at_least(0.62),
)

if __name__ == "__main__":
    _name, _file = sys.argv[1], Path(sys.argv[2])
    if _name == "limit":
        print(*_raw_writer(_file))
    else:
        print(*asyncio.run(_work(_file, _AGENTS, _EACH, "checkpoints")))
