"""Many writers on one SQLite file: in one loop, in many OS processes, and killed at any moment."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from civitas.errors import StateConflict, StateStoreError
from civitas.state import SQLiteStateStore
from civitas.testing import Probe


@pytest.fixture
async def store(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    yield store
    await store.close()


def commits(path: Path) -> int:
    """How many commits the write-ahead log holds."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page_size = struct.unpack(">I", log[8:12])[0]
    frames = range(32, len(log), 24 + page_size)
    # The last frame of each commit carries the size of the database after it.
    return sum(struct.unpack(">I", log[at + 4 : at + 8])[0] > 0 for at in frames)


# Groups.


@pytest.mark.promise(id="SEM-654")
async def test_what_is_asked_for_at_once_is_one_commit(store):
    await store.set("first", {})
    before = commits(store.path)
    await asyncio.gather(*(store.set(f"agent-{n}", {"n": n}) for n in range(64)))
    assert commits(store.path) - before == 1


async def test_writers_that_go_on_writing_keep_sharing_commits(store):
    async def write(agent: str) -> None:
        for n in range(10):
            await store.set(agent, {"n": n})

    await store.set("first", {})
    before = commits(store.path)
    await asyncio.gather(*(write(f"agent-{n}") for n in range(32)))
    assert commits(store.path) - before <= 12


async def test_what_is_asked_for_during_a_commit_is_in_the_next_one(store):
    await store.set("first", {})
    before = commits(store.path)
    leader = asyncio.ensure_future(store.set("leader", {}))
    for _ in range(2):  # it takes its group in its second turn
        await asyncio.sleep(0)
    others = [asyncio.ensure_future(store.set(f"agent-{n}", {})) for n in range(10)]
    await asyncio.gather(leader, *others)
    assert commits(store.path) - before == 2


@pytest.mark.promise(id="SEM-654")
async def test_sets_and_deletes_of_one_key_keep_their_order(store):
    await asyncio.gather(
        store.set("a", {"n": 1}), store.delete("a"), store.set("b", {"n": 1}), store.delete("b"),
        store.set("a", {"n": 2}),
    )  # fmt: skip
    assert await store.get("a") == {"n": 2}
    assert await store.get("b") is None


async def test_a_large_group_is_saved_whole(store):
    await asyncio.gather(*(store.set(f"agent-{n:04}", {"n": n}) for n in range(1000)))
    assert len(await store.keys()) == 1000


async def test_reading_sees_what_was_just_saved_by_another_task(store):
    await store.set("agent", {"n": 0})
    for n in range(1, 20):
        writing = asyncio.ensure_future(store.set("agent", {"n": n}))
        await writing
        assert await store.get("agent") == {"n": n}


@pytest.mark.promise(id="SEM-1562")
async def test_connections_that_compare_and_set_one_key_lose_no_count(tmp_path):
    stores = [SQLiteStateStore(tmp_path / "state.db") for _ in range(3)]

    async def count(store: SQLiteStateStore) -> None:
        for _ in range(10):
            while True:
                value, seen = await store.get_with_revision("count")
                try:
                    await store.compare_and_set("count", {"n": (value or {"n": 0})["n"] + 1}, seen)
                    break
                except StateConflict:
                    continue

    await asyncio.gather(*(count(store) for store in stores for _ in range(2)))
    assert await stores[0].get("count") == {"n": 60}
    for store in stores:
        await store.close()


@pytest.mark.promise(id="SEM-1561")
async def test_batches_of_many_callers_are_one_commit(store):
    await store.set("first", {})
    before = commits(store.path)
    await asyncio.gather(
        *(store.write({f"a-{n}": {"n": n}, f"b-{n}": {"n": n}, "first": None}) for n in range(32)),
        store.set("alone", {}),
    )
    assert commits(store.path) - before == 1
    assert len(await store.keys()) == 65


# Cancellation and closing.


@pytest.mark.parametrize("turns", range(6))
async def test_cancelling_one_writer_loses_nothing_of_the_others(store, turns):
    await store.set("first", {})
    tasks = [asyncio.ensure_future(store.set(f"agent-{n}", {"n": n})) for n in range(5)]
    for _ in range(turns):
        await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[1:] == [None] * 4
    for n in range(1, 5):
        assert await store.get(f"agent-{n}") == {"n": n}


async def test_cancelling_the_first_use_does_not_spoil_the_second(tmp_path):
    store = SQLiteStateStore(tmp_path / "state.db")
    opening = asyncio.ensure_future(store.get("agent"))
    for _ in range(3):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await store.set("agent", {"n": 1})
    assert await store.get("agent") == {"n": 1}
    await store.close()


@pytest.mark.promise(id="SEM-660")
async def test_closing_saves_what_is_still_waiting(store):
    tasks = [asyncio.ensure_future(store.set(f"agent-{n}", {"n": n})) for n in range(20)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*tasks) == [None] * 20
    again = SQLiteStateStore(store.path)
    assert len(await again.keys()) == 20
    await again.close()


async def test_closing_leaves_no_thread_and_no_log_behind(store):
    before = set(threading.enumerate())
    await store.set("agent", {"n": 1})
    assert set(threading.enumerate()) > before
    await store.close()
    assert set(threading.enumerate()) <= before
    assert [path.name for path in store.path.parent.iterdir()] == ["state.db"]


def test_a_store_that_nobody_closed_does_not_keep_python_from_ending(tmp_path):
    script = (
        "import asyncio, sys\n"
        "from civitas.state import SQLiteStateStore\n"
        "store = SQLiteStateStore(sys.argv[1])\n"
        "asyncio.run(store.set('agent', {'n': 1}))\n"
        "print('saved')\n"
    )
    path = tmp_path / "state.db"
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True, timeout=15
    )
    assert done.stdout == "saved\n"
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT key FROM civitas_state").fetchall() == [("agent",)]
    raw.close()


# Locks of others.


def lock(path: Path) -> sqlite3.Connection:
    """A connection in the middle of a write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT OR REPLACE INTO civitas_state VALUES ('other', x'80', 7)")
    return other


@pytest.mark.promise(id="SEM-659")
async def test_a_lock_of_another_process_is_waited_for(store):
    await store.set("agent", {"n": 1})
    other = lock(store.path)
    writing = asyncio.ensure_future(store.set("agent", {"n": 2}))
    assert await store.get("agent") == {"n": 1}  # nobody who reads has to wait
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    await writing
    assert await store.get("agent") == {"n": 2}
    assert await store.get("other") == {}


@pytest.mark.promise(id="SEM-659")
async def test_a_lock_that_is_never_given_back_is_a_clear_error(tmp_path):
    path = tmp_path / "state.db"
    store = SQLiteStateStore(path, busy_timeout=0.05)
    await store.set("agent", {"n": 1})
    other = lock(path)
    with pytest.raises(
        StateStoreError, match=r"kept the state store .* locked for 0\.05 s"
    ) as failure:
        await store.set("agent", {"n": 2})
    assert str(path) in str(failure.value)
    other.execute("ROLLBACK")
    other.close()
    assert await store.get("agent") == {"n": 1}
    await store.set("agent", {"n": 3})
    await store.close()


# Many OS processes.

WRITER = """
import asyncio, sys
from civitas.state import SQLiteStateStore

async def agent(store, name, rounds):
    for n in range(rounds):
        await store.set(name, {"n": n})
        print(name, n, flush=True)  # acknowledged

async def main():
    path, process, agents, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    store = SQLiteStateStore(path)
    names = [f"{process}/{n}" for n in range(agents)]
    await asyncio.gather(*(agent(store, name, rounds) for name in names))
    await store.close()

asyncio.run(main())
"""


async def start_writer(path: Path, process: str, agents: int, rounds: int):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), process, str(agents), str(rounds),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


def acknowledged(output: bytes) -> dict[str, int]:
    """The last number of each agent that its `set` returned for."""
    last = {}
    for line in output.decode().splitlines():
        match line.split():
            case [name, number]:
                last[name] = int(number)
    return last


@pytest.mark.promise(id="SEM-652")
async def test_eight_agents_in_each_of_four_processes_make_no_error(tmp_path):
    path = tmp_path / "state.db"  # made by whichever comes first
    writers = [await start_writer(path, f"process-{n}", 8, 40) for n in range(4)]
    outputs = await asyncio.gather(*(writer.communicate() for writer in writers))
    for writer, (_, errors) in zip(writers, outputs, strict=True):
        assert errors == b""
        assert writer.returncode == 0
    store = SQLiteStateStore(path)
    keys = await store.keys()
    assert len(keys) == 32
    assert [await store.get(key) for key in keys] == [{"n": 39}] * 32
    await store.close()


@pytest.mark.promise(id="SEM-653")
async def test_every_acknowledged_checkpoint_outlives_a_kill_at_any_moment(tmp_path):
    path = tmp_path / "state.db"
    for attempt in range(6):
        writers = [await start_writer(path, f"{attempt}-{n}", 8, 1_000_000) for n in range(2)]
        outputs = []
        for writer in writers:
            # Some acknowledgements first; then the kill meets whatever it meets.
            first = [await writer.stdout.readline() for _ in range(random.randrange(1, 200))]
            outputs.append(b"".join(first))
        for writer in writers:
            writer.kill()
        for n, writer in enumerate(writers):
            rest, _ = await writer.communicate()
            outputs[n] += rest[: rest.rfind(b"\n") + 1]
        store = SQLiteStateStore(path)
        for output in outputs:
            for name, number in acknowledged(output).items():
                value = await store.get(name)
                assert value is not None, f"{name}: {number} was acknowledged and is gone"
                assert value["n"] >= number
        await store.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


@pytest.mark.promise(id="SEM-653")
async def test_a_writer_that_is_killed_keeps_no_lock(tmp_path, probe: Probe):
    path = tmp_path / "state.db"
    writer = await start_writer(path, "doomed", 8, 1_000_000)
    for _ in range(20):
        await writer.stdout.readline()
    store = SQLiteStateStore(path)
    await store.set("survivor", {"n": 1})
    writer.kill()
    await writer.communicate()
    await store.set("survivor", {"n": 2})
    assert await store.get("survivor") == {"n": 2}
    await store.close()
