"""A runtime passes on what it does to another one, over one state store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from civitas import (
    AgentProcess,
    CivitasError,
    ConfigurationError,
    ConversationPool,
    HandlerFailed,
    Message,
    NodeDown,
    Runtime,
    SQLiteStateStore,
    Supervisor,
)

Version = Callable[[str], Runtime]


class Walker(AgentProcess):
    """Takes steps, each when it may, and notes them."""

    def __init__(self, name: str, version: str, notes: list[str], may: asyncio.Semaphore, **more):
        super().__init__(name, delivery="durable", **more)
        self.version, self.notes, self.may = version, notes, may

    async def handle(self, message: Message) -> Message:
        if message.payload == "fail":
            await self.step("begin", self.walk, "begin")
            raise ValueError("no")
        done = [await self.step(f"{n}", self.walk, f"{message.payload} {n}") for n in range(3)]
        return self.reply(done)

    async def walk(self, what: str) -> str:
        self.notes.append(what)
        await self.may.acquire()
        return self.version


class Sleeper(AgentProcess):
    async def handle(self, message: Message) -> Message:
        await asyncio.sleep(0.05)
        return self.reply("slept")


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def may() -> asyncio.Semaphore:
    return asyncio.Semaphore(0)


@asynccontextmanager
async def version(
    name: str, path: Path, notes: list[str], may: asyncio.Semaphore
) -> AsyncIterator[Runtime]:
    store = SQLiteStateStore(path / "state.db")
    walkers = ConversationPool("walker", Walker("walker", name, notes, may))
    tree = Supervisor("root", children=[walkers, Sleeper("sleeper")])
    try:
        async with Runtime(tree, state_store=store, drain_timeout=5) as runtime:
            yield runtime
    finally:
        await store.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


async def pass_on(runtime: Runtime) -> tuple[asyncio.Task[None], asyncio.Event]:
    """Begin to pass on; the task ends when all who wait have their answers, the event when another may start."""
    released = asyncio.Event()

    async def release() -> None:
        released.set()

    return asyncio.create_task(runtime._life.pass_on(5, release)), released


@pytest.mark.promise(id="SEM-1829")
async def test_the_step_under_way_ends_no_other_begins_and_the_other_version_goes_on(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async with version("old", tmp_path, notes, may) as old:
        asks = [
            asyncio.create_task(old.ask("walker", who, conversation=who)) for who in ("ann", "bob")
        ]
        await until(lambda: len(notes) == 2)
        slept = asyncio.create_task(old.ask("sleeper", None))
        await asyncio.sleep(0)
        passing, released = await pass_on(old)
        assert (await slept).payload == "slept"
        await asyncio.sleep(0.02)
        assert not released.is_set()  # a step is under way
        may.release()
        may.release()
        await released.wait()
        assert Counter(notes) == {"ann 0": 1, "bob 0": 1}
        assert not any(ask.done() for ask in asks)
        async with version("new", tmp_path, notes, may) as new:
            for _ in range(4):
                may.release()
            answers = [(await ask).payload for ask in asks]
            await passing
            assert answers == [["old", "new", "new"]] * 2
            assert set(Counter(notes).values()) == {1}
            assert [run.deliveries for run in new.runs()] == [1, 1]


async def test_what_waits_in_a_mailbox_is_handled_by_the_other_version_in_order(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async with version("old", tmp_path, notes, may) as old:
        asks = [
            asyncio.create_task(old.ask("walker", who, conversation="one"))
            for who in ("first", "second", "third")
        ]
        await until(lambda: notes == ["first 0"])
        passing, released = await pass_on(old)
        may.release()
        await released.wait()
        for _ in range(9):
            may.release()
        async with version("new", tmp_path, notes, may):
            answers = [(await ask).payload for ask in asks]
            await passing
    assert answers == [["old", "new", "new"], ["new"] * 3, ["new"] * 3]
    assert notes == [f"{who} {n}" for who in ("first", "second", "third") for n in range(3)]


async def test_a_run_that_fails_in_the_other_version_is_an_error_for_its_asker(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async with version("old", tmp_path, notes, may) as old:
        ask = asyncio.create_task(old.ask("walker", "fail"))
        await until(lambda: notes == ["begin"])
        passing, released = await pass_on(old)
        may.release()
        await released.wait()
        async with version("new", tmp_path, notes, may):
            with pytest.raises(HandlerFailed, match="no"):
                await ask
            await passing
    assert notes == ["begin"]


async def test_an_asker_whose_time_is_up_keeps_the_old_version_no_longer(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async with version("old", tmp_path, notes, may) as old:
        ask = asyncio.create_task(old.ask("walker", "ann", timeout=0.3))
        await until(lambda: notes == ["ann 0"])
        passing, released = await pass_on(old)
        may.release()
        await released.wait()
        with pytest.raises(TimeoutError):
            await ask
        async with asyncio.timeout(2):
            await passing


@pytest.mark.promise(id="SEM-1479")
async def test_an_asker_is_told_when_the_old_version_does_not_wait_for_the_answer_any_longer(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async with version("old", tmp_path, notes, may) as old:
        ask = asyncio.create_task(old.ask("walker", "ann", timeout=None))
        await until(lambda: notes == ["ann 0"])
        passing, released = await pass_on(old)
        may.release()
        await released.wait()
        async with version("new", tmp_path, notes, may) as new, asyncio.timeout(5):
            old._life.leave_askers()
            with pytest.raises(NodeDown, match="another version of the program went on"):
                await ask
            await passing
            may.release()
            may.release()
            (run,) = new.runs()
            assert (await new.result(run.run)).payload == ["old", "new", "new"]


async def test_where_the_other_version_has_gone_the_old_one_ends_and_nobody_waits_on(
    tmp_path: Path, notes: list[str], may: asyncio.Semaphore
) -> None:
    async def release() -> None:
        raise ConfigurationError("the program that takes over is gone")

    async with version("old", tmp_path, notes, may) as old:
        ask = asyncio.create_task(old.ask("walker", "ann"))
        await until(lambda: notes == ["ann 0"])
        may.release()
        with pytest.raises(ConfigurationError, match="is gone"):
            await old._life.pass_on(5, release)
        async with asyncio.timeout(2):
            with pytest.raises(CivitasError):
                await ask
            await old.wait()
