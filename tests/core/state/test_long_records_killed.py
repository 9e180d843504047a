"""Long records in an SQLite file whose writer is killed at any moment."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from civitas.state import LongRecord, SQLiteStateStore
from tests.deep import further

WRITER = """
import asyncio, sys
from civitas.state import LongRecord, SQLiteStateStore

async def main():
    store = SQLiteStateStore(sys.argv[1])
    while True:
        record = await LongRecord.load(store, "talk")
        items = record.lists.get("items", [])
        n = record.facts.get("n", 0) + 1
        items = items[1:] if n % 7 == 0 else [*items, [n, "x" * (n * 97 % 1500)]]
        await record.save({"n": n, "count": len(items)}, {"items": items}, {f"last@{n}": "y" * 900})
        print(n, flush=True)  # acknowledged

asyncio.run(main())
"""


async def killed_writer(path: Path, wait: int) -> int:
    """Let a process write, and kill it some time after `wait` turns; returns the last one that it reported."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    last = 0
    for _ in range(wait):
        last = int(await writer.stdout.readline())
    await asyncio.sleep(random.uniform(0, 0.01))
    writer.kill()
    rest = (await writer.stdout.read()).split()
    await writer.wait()
    return int(rest[-1]) if rest else last


@pytest.mark.promise(id="SEM-1566")
@pytest.mark.parametrize("kills", [3, *further(40)])
async def test_after_kill_9_a_long_record_is_whole_with_all_that_was_acknowledged(
    tmp_path: Path, kills: int
) -> None:
    path = tmp_path / "state.db"
    for kill in range(kills):
        acknowledged = await killed_writer(path, 5 + 13 * kill)
        store = SQLiteStateStore(path)
        record = await LongRecord.load(store, "talk")
        n = record.facts["n"]
        assert n in (acknowledged, acknowledged + 1)
        items = record.lists["items"]
        assert len(items) == record.facts["count"]
        assert [each[0] for each in items] == sorted({each[0] for each in items})
        assert items[-1][0] == (n if n % 7 else n - 1)
        assert record.values == {f"last@{n}": "y" * 900}
        # Nothing is left of what was not finished.
        needed = {record._piece(number) for number in record._pieces()}
        assert set(await store.keys()) == {"talk", *needed}
        await store.close()
