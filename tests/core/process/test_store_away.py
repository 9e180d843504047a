"""A state store that is away is waited for in place: nothing that a handler did is done again for its sake."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from civitas import (
    AgentProcess,
    HandlerFailed,
    Message,
    Runtime,
    SQLiteStateStore,
    StartFailed,
    Supervisor,
)
from civitas.errors import StateStoreError
from civitas.state import patience
from civitas.state.patience import patiently

LARGE = {"text": "x" * 100_000}


class Books(AgentProcess):
    def __init__(self, name: str, done: list[str], **keywords) -> None:
        super().__init__(name, **keywords)
        self.done = done

    async def handle(self, message: Message) -> Message:
        if message.type == "checkpoint":
            self.done.append("checkpoint")
            self.state = LARGE
            await self.checkpoint()
            return self.reply(len(self.state["text"]))
        if message.type == "own":
            self.done.append("own")
            await self.store.set("prices", LARGE)
            return self.reply(await self.store.get("prices"))
        return self.reply(await self.step("book", self.book))

    def book(self) -> dict[str, str]:
        self.done.append("booked")
        return LARGE


async def limit(store: SQLiteStateStore, pages: int) -> None:
    """As large as the database may become: a disk that is full, for SQLite."""
    await store.get("anything")
    assert store._connection is not None
    await store._connection.execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(5):
        while text not in caplog.text:
            await asyncio.sleep(0.002)


@pytest.fixture
async def store(tmp_path: Path):
    store = SQLiteStateStore(tmp_path / "state.db")
    await limit(store, 12)
    yield store
    await store.close()


@pytest.mark.promise(id="SEM-664")
@pytest.mark.parametrize("what", ["step", "checkpoint", "own"])
async def test_a_full_disk_is_waited_for_and_nothing_is_done_again(what, store, caplog) -> None:
    done: list[str] = []
    agent = Books("books", done, delivery="at_least_once")
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        asking = asyncio.create_task(runtime.ask("books", None, what))
        await said(
            caplog, "agent 'books': the state store is unavailable; waiting for it, up to 10 s"
        )
        await limit(store, 1_000_000)
        await asking
        assert len(done) == 1
        assert runtime.tree()["children"][0]["restarts"] == 0
    assert "the disk is full" in caplog.text
    assert "agent 'books': the state store is back after" in caplog.text


@pytest.mark.promise(id="SEM-664")
async def test_a_store_that_stays_away_is_told_when_the_wait_is_over(
    store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.05)
    done: list[str] = []
    async with Runtime(
        Supervisor("root", children=[Books("books", done)]), state_store=store
    ) as runtime:
        with pytest.raises(HandlerFailed, match="disk is full") as failed:
            await runtime.ask("books", None, "step")
        assert failed.value.error_type == "StateStoreError"
        assert done == ["booked"]


@pytest.mark.promise(id="SEM-664")
@pytest.mark.parametrize(
    "error",
    [StateStoreError("it is the database of another application"), ValueError("no such thing")],
)
async def test_what_waiting_does_not_mend_is_told_at_once(error: Exception) -> None:
    calls = 0

    async def attempt() -> None:
        nonlocal calls
        calls += 1
        raise error

    began = time.monotonic()
    with pytest.raises(type(error)):
        await patiently(attempt, "books")
    assert calls == 1
    assert time.monotonic() - began < 1


@pytest.mark.promise(id="SEM-664")
@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), StateStoreError("away", transient=True)]
)
async def test_a_server_that_cannot_be_reached_is_waited_for(error: Exception) -> None:
    attempts = iter([error, error, None])

    async def attempt() -> str:
        if problem := next(attempts):
            raise problem
        return "there"

    assert await patiently(attempt, "books") == "there"


class Plain:
    """A store whose methods are plain functions."""

    def get(self, key: str) -> None: ...

    def set(self, key: str, value: object) -> None: ...

    def delete(self, key: str) -> None: ...


class Texts(Plain):
    """A store that hands out text."""

    async def get(self, key: str) -> str:  # type: ignore[override]
        return "[1]"


@pytest.mark.promise(id="SEM-1264")
@pytest.mark.parametrize(
    ("store", "words"),
    [(Plain(), "write get, set, delete and keys with `async def`"), (Texts(), "returned str")],
)
async def test_a_store_that_is_none_is_told_so_and_no_agent_is_blamed(
    store: object, words: str
) -> None:
    runtime = Runtime(Supervisor("root", [Books("books", [])]), state_store=store)  # type: ignore[arg-type]
    with pytest.raises(StartFailed) as failed:
        await runtime.start()
    assert isinstance(failed.value.cause, StateStoreError)
    assert words in str(failed.value.cause)
    await runtime.stop()
