"""The messages that nobody will handle: kept, listed, shown, replayed and dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    AskTimeout,
    CivitasError,
    ConfigurationError,
    HandlerFailed,
    MailboxFull,
    UnknownAgent,
    UnknownDeadLetter,
)
from civitas.events import Event
from civitas.node.acting import acting_as
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import ConversationPool, Supervisor
from tests.core.support import Actor, Journal, eventually


def system(*agents: Any, **keywords: Any) -> Runtime:
    return Runtime(
        Supervisor("root", children=list(agents), backoff="none", max_restarts=100), **keywords
    )


async def crash(runtime: Runtime, payload: Any = None, to: str = "a", **keywords: Any) -> None:
    before = len(await runtime.dead_letters())
    await runtime.send(to, payload, "crash", **keywords)
    while len(await runtime.dead_letters()) == before:
        await asyncio.sleep(0)


class Fickle(Actor):
    """Crashes on `crash` as long as it is told to."""

    broken = True

    async def handle(self, message: Any) -> Any:
        if message.type == "crash" and Fickle.broken:
            raise ValueError("not yet")
        self.journal.write(f"{message.type} {message.payload} {message.id}")
        return self.reply("well")


@pytest.fixture(autouse=True)
def _broken() -> None:
    Fickle.broken = True


@pytest.mark.promise(id="SEM-1716")
async def test_what_nobody_will_handle_is_listed_and_shown(journal: Journal) -> None:
    async with system(Actor("a", journal)) as runtime:
        await crash(runtime, {"secret": 1}, conversation="c")
        (letter,) = await runtime.dead_letters()
        shown = await runtime.dead_letter(letter.number)
        assert await runtime.dead_letter(letter.id) == shown
    assert (letter.number, letter.agent, letter.reason) == (1, "a", "crashed")
    assert (letter.type, letter.sender, letter.conversation) == ("crash", None, "c")
    assert letter.sent <= letter.time
    assert letter.payload is None
    assert shown.payload == {"secret": 1}
    assert "secret" not in repr((letter, shown))


async def expired(runtime: Runtime, actor: Actor) -> None:
    await runtime.send("a", None, "hold")
    await actor.journal.until("hold a")
    with pytest.raises(AskTimeout):
        await runtime.ask("a", "late", timeout=0.01)
    actor.release.set()


async def given_up(runtime: Runtime, actor: Actor) -> None:
    with pytest.raises(HandlerFailed):
        await runtime.ask("a", "again", "crash")


async def stopped(runtime: Runtime, actor: Actor) -> None:
    await runtime.send("a", None, "hold")
    await actor.journal.until("hold a")
    await runtime.send("a", "waits")
    await runtime.terminate_child("root", "a")


async def late(runtime: Runtime, actor: Actor) -> None:
    with pytest.raises(AskTimeout):
        await runtime.ask("a", "held", "hold", timeout=0.01)
    actor.release.set()


async def left(runtime: Runtime, actor: Actor) -> None:
    await runtime.send("a", None, "hold")
    await actor.journal.until("hold a")
    messages = runtime.stream("a", 1)
    reading = asyncio.ensure_future(anext(messages))
    await eventually(lambda: len(actor._civitas_incarnation.mailbox) == 1)  # type: ignore[union-attr]
    reading.cancel()
    await asyncio.wait({reading})
    await messages.aclose()
    actor.release.set()


async def to_nobody(runtime: Runtime, actor: Actor) -> None:
    await runtime.ask("a", None, "to b")


@pytest.mark.promise(id="SEM-1716")
@pytest.mark.parametrize(
    ("reason", "happens", "keywords"),
    [
        ("no_reader", left, {}),
        ("unknown", to_nobody, {}),
        ("expired", expired, {}),
        ("max_deliveries", given_up, {"delivery": "at_least_once"}),
        ("terminated", stopped, {"shutdown_timeout": 0}),
        ("late_reply", late, {}),
    ],
)
async def test_dead_letters_of_every_reason_are_kept(
    journal: Journal, reason: str, happens: Callable[..., Any], keywords: Any
) -> None:
    release = asyncio.Event()

    class Held(Actor):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.release = release

        async def handle(self, message: Any) -> Any:
            if message.type == "to b":
                self.send_after(0, "b", 1)  # nobody has that name by then
            return await super().handle(message)

    actor = Held("a", journal, **keywords)
    async with system(actor) as runtime:
        await happens(runtime, actor)
        async with asyncio.timeout(5):
            while not await runtime.dead_letters("b" if reason == "unknown" else "a", reason):
                await asyncio.sleep(0)


@pytest.mark.promise(id="SEM-1716")
async def test_the_list_is_filtered(journal: Journal) -> None:
    async with system(Actor("a", journal), Actor("b", journal)) as runtime:
        await crash(runtime)
        await crash(runtime, to="b")
        assert [each.agent for each in await runtime.dead_letters()] == ["a", "b"]
        assert [each.agent for each in await runtime.dead_letters("b")] == ["b"]
        assert await runtime.dead_letters("b", "expired") == []
        with pytest.raises(ConfigurationError, match="reason must be"):
            await runtime.dead_letters(reason="crash")


@pytest.mark.promise(id="SEM-1717")
@pytest.mark.parametrize("key", ["number", "id"])
async def test_a_replay_is_a_new_delivery_of_the_same_message(journal: Journal, key: str) -> None:
    async with system(Fickle("a", journal)) as runtime:
        acted: list[Event] = []
        runtime.on("acted", acted.append)
        await crash(runtime, "p")
        (letter,) = await runtime.dead_letters()
        Fickle.broken = False
        with acting_as("ann"):
            await runtime.replay(getattr(letter, key))
        await journal.until(f"crash p {letter.id}")
        assert await runtime.dead_letters() == []
    assert [(each.reason, each.name, each.message) for each in acted] == [
        ("replay", "a", "replay of 'a' by ann")
    ]


@pytest.mark.promise(id="SEM-1717")
async def test_what_dies_again_says_how_often_it_was_replayed(journal: Journal) -> None:
    async with system(Fickle("a", journal)) as runtime:
        await crash(runtime)
        await runtime.replay(1)
        await eventually(lambda: journal.count("start a") == 3)
        (letter,) = await runtime.dead_letters()
    assert (letter.number, letter.replays, letter.attempt) == (2, 1, 1)


@pytest.mark.promise(id="SEM-1717")
async def test_a_replay_goes_to_its_conversation(journal: Journal) -> None:
    pool = ConversationPool("pool", Fickle("pool", journal))
    async with system(pool) as runtime:
        await crash(runtime, "p", to="pool", conversation="c")
        Fickle.broken = False
        (letter,) = await runtime.dead_letters("pool")
        await runtime.replay(letter.number)
        await journal.until(f"crash p {letter.id}")
        assert "pool/c" in await runtime._node.matching("*")


@pytest.mark.promise(id="SEM-1718")
async def test_a_letter_stays_whose_agent_is_not_there(journal: Journal) -> None:
    async with system(Actor("a", journal)) as runtime:
        await crash(runtime)
        await runtime.terminate_child("root", "a")
        with pytest.raises(AgentTerminated):
            await runtime.replay(1)
        await runtime.delete_child("root", "a")
        with pytest.raises(UnknownAgent):
            await runtime.replay(1)
        assert [each.number for each in await runtime.dead_letters()] == [1]


@pytest.mark.promise(id="SEM-1718")
async def test_a_letter_stays_while_the_mailbox_is_full(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("civitas.runtime.dead_letters._PATIENCE", 0.01)
    actor = Actor("a", journal, mailbox_size=1, shutdown_timeout=0)
    async with system(actor, drain_timeout=0) as runtime:
        await crash(runtime)
        await runtime.send("a", None, "hold")
        await journal.until("hold a")
        await runtime.send("a", None)
        with pytest.raises(MailboxFull):
            await runtime.replay(1)
        assert [each.number for each in await runtime.dead_letters()] == [1]


@pytest.mark.promise(id="SEM-1718")
async def test_a_reply_that_came_too_late_cannot_be_replayed(journal: Journal) -> None:
    actor = Actor("a", journal)
    async with system(actor) as runtime:
        runtime._node.dead.add("late_reply", 0.0, _message("x", sender="a"))
        with pytest.raises(ConfigurationError, match="nobody waits for it"):
            await runtime.replay(1)


@pytest.mark.promise(id="SEM-1718")
async def test_of_two_replays_at_once_one_wins(journal: Journal) -> None:
    async with system(Fickle("a", journal, delivery="durable")) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", "p", "crash")
        Fickle.broken = False
        twice = await asyncio.gather(runtime.replay(1), runtime.replay(1), return_exceptions=True)
    assert len([each for each in journal if each.startswith("crash")]) == 1
    assert sorted(map(type, twice), key=str) == [type(None), UnknownDeadLetter]


@pytest.mark.promise(id="SEM-1717")
async def test_the_run_of_a_durable_agent_that_was_given_up_goes_on_by_a_replay(
    journal: Journal,
) -> None:
    async with system(Fickle("a", journal, delivery="durable")) as runtime:
        with pytest.raises(HandlerFailed):
            await runtime.ask("a", "p", "crash", run="order-17")
        (letter,) = await runtime.dead_letters()
        assert (letter.run, letter.reason) == ("order-17", "max_deliveries")
        assert (await runtime.run_info("order-17")).status == "failed"
        Fickle.broken = False
        await runtime.replay(letter.id)
        assert (await runtime.result("order-17")).payload == "well"
        assert [(each.run, each.status) for each in runtime.runs()] == [("order-17", "done")]


@pytest.mark.promise(id="SEM-1716")
async def test_what_is_dropped_is_gone(journal: Journal) -> None:
    async with system(Actor("a", journal)) as runtime:
        await crash(runtime)
        assert await runtime.drop(1)
        assert not await runtime.drop(1)
        assert await runtime.dead_letters() == []
        for gone in (runtime.dead_letter(1), runtime.replay("x")):
            with pytest.raises(UnknownDeadLetter, match="there is no dead letter"):
                await gone


@pytest.mark.promise(id="SEM-1719")
@pytest.mark.parametrize("most", [2, 0])
async def test_the_newest_are_kept(journal: Journal, most: int) -> None:
    async with system(Actor("a", journal), dead_letters=most) as runtime:
        for number in range(4):
            await runtime.send("a", number, "crash")
            await journal.until("start a", number + 2)
        assert [each.number for each in await runtime.dead_letters()] == [3, 4][:most]


@pytest.mark.promise(id="SEM-1719")
async def test_a_flood_takes_bounded_memory(journal: Journal) -> None:
    async with system(Actor("a", journal)) as runtime:
        kept = runtime._node.dead
        message = _message("a", payload="x" * 100)
        for _ in range(100_000):
            kept.add("expired", 0.0, message)
        assert len(kept) == 1000
        large = _message("a", payload="x" * 10_000_000)
        for _ in range(20):
            kept.add("expired", 0.0, large)
        assert len(kept) == 6


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "many"])
def test_how_many_are_kept_is_a_whole_number(journal: Journal, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="dead_letters must be a whole number >= 0"):
        system(Actor("a", journal), dead_letters=wrong)


def test_a_topology_says_how_many_are_kept() -> None:
    topology = {"runtime": {"dead_letters": 7}, "supervision": {"name": "root", "children": []}}
    assert Runtime.from_config(topology)._node.dead.most == 7


# In a store.


def stored(path: Path, *agents: Any, **keywords: Any) -> Runtime:
    store = partial(SQLiteStateStore, path / "state.db")
    return system(*agents, state_store=store, **keywords)


@pytest.mark.promise(id="SEM-1720")
async def test_they_are_there_at_the_next_start(journal: Journal, tmp_path: Path) -> None:
    async with stored(tmp_path, Fickle("a", journal)) as runtime:
        await crash(runtime, "one")
        await crash(runtime, "x" * 100_000)
        await crash(runtime, "three")
        await runtime.drop(3)
        before = await runtime.dead_letters(payload=True)
    Fickle.broken = False
    async with stored(tmp_path, Fickle("a", journal)) as runtime:
        assert await runtime.dead_letters(payload=True) == before
        await runtime.replay(1)
        await journal.until(f"crash one {before[0].id}")
    async with stored(tmp_path, Fickle("a", journal), dead_letters=1) as runtime:
        assert [each.number for each in await runtime.dead_letters()] == [2]
        Fickle.broken = True
        await runtime.send("a", None, "crash")
        async with asyncio.timeout(5):
            while [each.number for each in await runtime.dead_letters()] == [2]:
                await asyncio.sleep(0)
    async with stored(tmp_path, Fickle("a", journal)) as runtime:
        assert [each.number for each in await runtime.dead_letters()] == [3]
    store = SQLiteStateStore(tmp_path / "state.db")
    assert len(await store.keys("civitas:dead:")) == 1
    await store.close()


@pytest.mark.promise(id="SEM-1720")
async def test_programs_that_share_a_store_lose_none(journal: Journal, tmp_path: Path) -> None:
    async with (
        stored(tmp_path, Actor("a", journal)) as one,
        stored(tmp_path, Actor("a", journal)) as two,
        stored(tmp_path, Actor("a", journal), name="other") as other,
    ):
        await crash(one, "one")
        await crash(two, "two")
        await crash(other, "other")
    async with stored(tmp_path, Actor("a", journal)) as runtime:
        letters = await runtime.dead_letters(payload=True)
    assert [each.number for each in letters] == [1, 2]
    assert sorted(each.payload for each in letters) == ["one", "two"]


@pytest.mark.promise(id="SEM-1720")
async def test_a_store_that_takes_none_is_tried_again_and_delays_nobody(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("civitas.node.dead.saved._PAUSE", 0.01)
    monkeypatch.setattr("civitas.node.dead.saved._AFTER_FAILURE", 0.01)
    refuses = asyncio.Event()

    class Full(SQLiteStateStore):
        async def write(self, *args: Any, **keywords: Any) -> Any:
            if not refuses.is_set():
                raise CivitasError("the disk is full")
            return await super().write(*args, **keywords)

    store = Full(tmp_path / "state.db")
    async with system(Actor("a", journal), state_store=store) as runtime:
        await crash(runtime)
        await eventually(lambda: "the disk is full" in caplog.text)
        assert (await runtime.ask("a", "hello")).payload == "hello"
        refuses.set()
        async with asyncio.timeout(5):
            while not await store.keys("civitas:dead:"):
                await asyncio.sleep(0.005)
    assert caplog.text.count("dead letters could not be written") == 1
    await store.close()


def _message(to: str, **fields: Any) -> Any:
    from civitas.message import Message

    return Message(recipient=to, **fields)
