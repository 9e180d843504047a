"""What the disk allows a state store on SQLite, and what it says where that is too little."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from civitas.errors import StateStoreError
from civitas.message import encode
from civitas.state import SQLiteStateStore


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


# What the disk allows.

_AS_NOBODY = """
import asyncio, os, sys
from civitas.errors import StateStoreError
from civitas.state import SQLiteStateStore
import aiosqlite, msgpack, civitas.state.sqlite_errors  # before we may no longer read them
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)

async def main():
    store = SQLiteStateStore(sys.argv[1])
    for action in (store.set("agent", {"n": 2}), store.set("agent", {"n": 3})):
        try:
            await action
        except StateStoreError as error:
            print(error)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def open_to_all():
    """A folder that another user can reach: pytest closes its own to others."""
    with tempfile.TemporaryDirectory(prefix="civitas-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.promise(id="SEM-656")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_or_folder_says_who_needs_which_right(open_to_all, what):
    folder = open_to_all / "data"
    folder.mkdir()
    path = folder / "state.db"
    asyncio.run(make(path))
    path.chmod(0o444 if what == "file" else 0o666)
    folder.chmod(0o777 if what == "file" else 0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, path], capture_output=True, text=True, check=False
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(
        str(path) in line and "write access to the file and to its folder" in line for line in lines
    )
    path.chmod(0o644)
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT key, value FROM civitas_state").fetchall() == [
            ("agent", encode({"n": 1}))
        ]
    raw.close()


@pytest.mark.promise(id="SEM-655")
async def test_a_full_database_refuses_what_does_not_fit_and_keeps_the_rest(store):
    await store.set("agent", {"n": 1})
    await store._connection.execute_fetchall("PRAGMA max_page_count = 12")
    with pytest.raises(StateStoreError, match="disk is full") as failure:
        await store.set("large", {"text": "x" * 100_000})
    assert failure.value.key == "large"
    assert await store.get("agent") == {"n": 1}
    assert await store.get("large") is None
    await store.set("agent", {"n": 2})
    assert await store.get("agent") == {"n": 2}


async def test_one_value_that_does_not_fit_takes_no_other_of_its_group_along(store):
    await store.set("agent", {"n": 1})
    await store._connection.execute_fetchall("PRAGMA max_page_count = 12")
    results = await asyncio.gather(
        store.set("a", {"n": 1}),
        store.set("large", {"text": "x" * 100_000}),
        store.set("b", {"n": 2}),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StateStoreError, type(None)]
    assert await store.get("a") == {"n": 1}
    assert await store.get("b") == {"n": 2}


async def test_a_writer_that_was_cancelled_is_not_told_that_it_failed(store):
    await store.set("agent", {"n": 1})
    await store._connection.execute_fetchall("PRAGMA max_page_count = 12")
    large = asyncio.ensure_future(store.set("large", {"text": "x" * 100_000}))
    other = asyncio.ensure_future(store.set("other", {"n": 1}))
    for _ in range(3):
        await asyncio.sleep(0)
    large.cancel()
    await other
    with pytest.raises(asyncio.CancelledError):
        await large
    assert await store.get("large") is None


@pytest.mark.promise(id="SEM-663")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_a_new_file_and_what_stands_beside_it_are_its_owner_s_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        store = SQLiteStateStore(tmp_path / "state.db")
        await store.set("agent", {"n": 1})
    finally:
        os.umask(before)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    await store.close()
    assert set(modes) == {"state.db", "state.db-wal", "state.db-shm"}
    assert all(not mode & 0o077 for mode in modes.values()), modes


@pytest.mark.promise(id="SEM-663")
async def test_a_file_that_others_may_read_is_said_and_left_as_it_is(tmp_path, caplog):
    path = tmp_path / "state.db"
    await make(path)
    path.chmod(0o644)
    await make(path)
    assert f"{path} can be read by other users of this machine (mode 644)" in caplog.text
    assert path.stat().st_mode & 0o777 == 0o644


async def test_a_second_store_in_one_process_leaves_the_lock_of_the_first(tmp_path):
    path = tmp_path / "state.db"
    await make(path)
    script = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN EXCLUSIVE')"
    )
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")
    second = SQLiteStateStore(path, busy_timeout=0.01)
    with pytest.raises(StateStoreError, match="locked"):
        await second.get("agent")
    await second.close()
    command = [sys.executable, "-c", script, path]
    other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    holder.close()
    assert "database is locked" in other.stderr


_ON_A_FULL_DISK = """
import asyncio, pathlib, sys
from civitas.errors import StateStoreError
from civitas.state import SQLiteStateStore

async def main():
    path = pathlib.Path(sys.argv[1], "state.db")
    store = SQLiteStateStore(path)
    saved = 0
    try:
        for n in range(1000):
            await store.set(f"agent-{n}", {"n": n, "text": "x" * 1000})
            saved = n + 1
    except StateStoreError as error:
        print(error)
    assert 0 < saved < 1000, saved
    for n in range(saved):
        assert await store.get(f"agent-{n}") == {"n": n, "text": "x" * 1000}
    await store.close()
    again = SQLiteStateStore(path)
    for n in range(saved):
        assert await again.get(f"agent-{n}") == {"n": n, "text": "x" * 1000}
    print("kept")
    await again.close()

asyncio.run(main())
"""


@pytest.mark.promise(id="SEM-655")
def test_a_full_disk_keeps_everything_that_was_acknowledged(tmp_path):
    inside = 'mount -t tmpfs -o size=300k none "$1" && exec "$2" -c "$3" "$1"'
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("needs a small file system of its own: Linux with user namespaces")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", inside, "sh", tmp_path, sys.executable, _ON_A_FULL_DISK],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, kept = done.stdout.splitlines()
    assert "the disk is full. Free some space" in error
    assert kept == "kept"


def test_a_disk_that_refuses_a_write_is_a_clear_error(tmp_path):
    script = _ON_A_FULL_DISK.replace(
        "asyncio.run",
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5)); asyncio.run",
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    error, kept = done.stdout.splitlines()
    assert "the disk failed to read or write" in error
    assert kept == "kept"
