"""What a power cut, or a full disk, leaves of runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from civitas.errors import StateStoreError
from civitas.message import Message
from civitas.runs.ledger import Ledger
from civitas.runs.records import EndedRun
from civitas.state import SQLiteStateStore
from tests.core.runs import writing
from tests.core.runs.support import durable, system
from tests.core.support import Journal, error_of, eventually
from tests.deep import DEEP
from tests.power import PowerCuts

CUTS = 150 if DEEP else 6
"""How often the power is cut."""


async def check(file: Path, told: list[list[str]]) -> None:
    """What was told to be accepted is there, whole, and what was answered has its answer."""
    store = SQLiteStateStore(file)
    try:
        ledger = Ledger(store)
        kept: dict[str, Any] = {run.run: run for run in await ledger.unfinished()}
        for run in kept.values():
            assert (await ledger.message(run)).payload["run"] == run.run
        for ended in await ledger.ended(100_000):
            answer = (await ledger.answered(ended)).answer
            assert isinstance(answer, Message)
            assert answer.payload["run"] == ended.info.run
            kept[ended.info.run] = ended
        for what, name, _ in told:
            assert name in kept
            assert what == "accepted" or isinstance(kept[name], EndedRun)
            assert await ledger.find(name) is not None
    finally:
        await store.close()


@pytest.mark.promise(id="SEM-1624")
@pytest.mark.timeout(30 + 2 * CUTS)
async def test_after_a_power_cut_all_that_was_accepted_is_there_and_nothing_is_torn(
    tmp_path: Path,
) -> None:
    """The files are copied while the program that writes them is stopped in the middle of whatever it does."""
    file = tmp_path / "state.db"
    async with PowerCuts.of(writing.__name__, file, random.Random(CUTS)) as power:
        for _ in range(CUTS):
            async for copy in power.cut(2 * writing.SENDERS):
                await check(copy, power.told)


@pytest.mark.promise(id="SEM-1625")
async def test_a_full_disk_refuses_what_is_new_loses_nothing_and_is_waited_for_by_the_rest(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("civitas.state.patience.PATIENCE", 0.01)
    monkeypatch.setattr("civitas.runs.ending._AGAIN", 0.01)
    store = SQLiteStateStore(tmp_path / "state.db")
    agent = durable(journal)
    accepted = []

    async def room(pages: int) -> None:
        assert store._connection is not None
        await store._connection.execute_fetchall(f"PRAGMA max_page_count = {pages}")

    async with system(agent, store=store, drain_timeout=5) as runtime:
        await runtime.send("a", {"n": -1}, "hold")
        await journal.until("hold a")
        await room(60)
        refused = None
        for number in range(100):
            try:
                await runtime.send("a", {"n": number, "text": "x" * 5000})
            except StateStoreError as error:
                refused = error
                break
            accepted.append(number)
        assert "disk is full" in str(refused)
        assert accepted
        assert isinstance(
            await error_of(runtime.ask("a", {"text": "x" * 9000}, timeout=5)), StateStoreError
        )
        await room(1)  # SQLite takes as few as it has: from now on not even an answer fits
        agent.release.set()
        await eventually(lambda: len(agent.handled) >= 1)
        await room(100_000)
        assert (await runtime.ask("a", {"n": -2})).payload == {"n": -2}
        assert [each["n"] for each in agent.handled] == [-1, *accepted, -2]
        await eventually(lambda: len(runtime.runs("done")) == len(accepted) + 2)
    await store.close()
