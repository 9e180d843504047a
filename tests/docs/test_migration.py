"""The page for those who come from the earlier package."""

from __future__ import annotations

import json
import runpy
import sqlite3
from contextlib import closing
from pathlib import Path

from civitas import SQLiteStateStore
from tests.docs.blocks import blocks, place_files
from tests.house.project import ROOT


async def test_the_program_of_the_page_takes_the_state_of_each_agent_along(tmp_path: Path) -> None:
    place_files(blocks(ROOT / "docs" / "migration.md"), tmp_path)
    with closing(sqlite3.connect(tmp_path / "earlier.db")) as earlier:
        earlier.execute("CREATE TABLE agent_state (agent_name TEXT PRIMARY KEY, state TEXT)")
        rows = [("counter", json.dumps({"n": 3})), ("till", json.dumps({"open": [True, None]}))]
        earlier.executemany("INSERT INTO agent_state VALUES (?, ?)", rows)
        earlier.commit()
    move = runpy.run_path(str(tmp_path / "move_state.py"))["move"]
    await move(str(tmp_path / "earlier.db"), str(tmp_path / "civitas.db"))
    store = SQLiteStateStore(tmp_path / "civitas.db")
    assert [await store.get(name) for name in ("counter", "till")] == [
        {"n": 3},
        {"open": [True, None]},
    ]
    await store.close()
