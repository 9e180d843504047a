"""Steps whose function is a plain `def`, over SQLite: its thread records the result, if nobody else writes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from civitas import AgentProcess, Message, Runtime, SQLiteStateStore, Supervisor
from civitas.process.step_in_thread import StepInThread
from civitas.state.sqlite_shared import SharedConnection

STEPS = 6


class Stepping(AgentProcess):
    """Makes steps, and keeps what is recorded of them before it answers."""

    def __init__(self, name: str, function: Callable[[int], Any]) -> None:
        super().__init__(name)
        self.function = function

    async def handle(self, message: Message) -> Message:
        results = [await self.step(f"step {n}", self.function, n) for n in range(STEPS)]
        results.append(await self.step("step 0", lambda: "not again"))
        return self.reply([results, await self.store.keys("civitas:step:")])  # type: ignore[attr-defined]


async def ask(store: SQLiteStateStore, function: Callable[[int], Any]) -> Any:
    async with Runtime(Supervisor("root", [Stepping("a", function)]), state_store=store) as runtime:
        results, keys = (await runtime.ask("a", 1)).payload
        assert len(keys) == STEPS
    assert await store.keys("civitas:step:") == []
    await store.close()
    return results


async def test_the_thread_of_a_step_records_its_result(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "a.db")
    await store.open()
    writers: list[str] = []

    def note(sql: str) -> None:
        if sql.startswith("INSERT"):
            writers.append(threading.current_thread().name)

    assert store._shared is not None
    store._shared.set_trace_callback(note)
    assert await ask(store, lambda n: {"n": n}) == [*({"n": n} for n in range(STEPS)), {"n": 0}]
    assert len(writers) == STEPS
    assert all(name.startswith("civitas-root") for name in writers[3:])


async def test_a_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "a.db")
    await store.open()
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)
    loop = asyncio.get_running_loop()

    def lock(n: int) -> int:
        if n == STEPS - 1:
            other.execute("BEGIN IMMEDIATE")
            loop.call_soon_threadsafe(lambda: loop.call_later(0.01, other.rollback))
        return n

    assert await ask(store, lock) == [*range(STEPS), 0]
    other.close()


async def test_a_plain_function_may_return_what_is_awaited(tmp_path: Path) -> None:
    async def later(n: int) -> int:
        return n

    def later_in_a_function(n: int) -> Any:
        return later(n)

    store = SQLiteStateStore(tmp_path / "a.db")
    assert await ask(store, later_in_a_function) == [*range(STEPS), 0]


async def test_an_sqlite_that_was_not_built_for_threads_is_used_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedConnection, "may_be_shared", False)
    store = SQLiteStateStore(tmp_path / "a.db")
    await store.open()
    assert store._shared is None
    assert await ask(store, lambda n: n) == [*range(STEPS), 0]


class Own(SQLiteStateStore):
    """Does more than others when it stores something."""

    stored = 0

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        self.stored += 1
        await super().set(key, value)


async def test_a_store_of_ones_own_stores_each_step(tmp_path: Path) -> None:
    store = Own(tmp_path / "a.db")
    await ask(store, lambda n: n)
    assert store.stored == STEPS


async def test_a_step_that_nobody_waits_for_any_more_is_not_recorded(tmp_path: Path) -> None:
    store = SQLiteStateStore(tmp_path / "a.db")
    for n in range(5):
        await store.set("other", {"n": n})
    assert store._may_set_in_thread()

    def step() -> StepInThread:
        return StepInThread(lambda: 1, lambda found: {"result": found}, "k", store, lambda: True)

    left, waited_for = step(), step()
    left.leave()
    await asyncio.to_thread(left)
    assert await store.get("k") is None
    await asyncio.to_thread(waited_for)
    assert waited_for.recorded
    assert await store.get("k") == {"result": 1}
    await store.close()
