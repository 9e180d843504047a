"""Conversations that nobody uses for long are dropped in the background, and long ones keep their newest messages."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from civitas import Runtime, SQLiteStateStore, Supervisor, TopologyError
from civitas.frameworks import newest_turns
from civitas.frameworks.conversations import Record, key_of
from civitas.frameworks.recent import RecentRecords
from civitas.frameworks.remembering import Remembering
from civitas.frameworks.shortening import Shortening
from civitas.runtime.retention import Sweeper
from civitas.state import InMemoryStateStore, LongRecord, Retention
from civitas.state.heads import claim, written
from civitas.state.store import StateStore
from civitas.topology import load, runtime_options
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.state.few_methods import FewMethods, WithBatches, WithRevisions

DAY = 86400


RUNNING: list[MachineAgent] = []
"""The incarnations that were started, the last one last."""


class Noted(MachineAgent):
    async def on_start(self) -> None:
        RUNNING.append(self)


def running(
    store: Any, machine: Machine | None = None, *, durable: bool = False, **keep: Any
) -> Runtime:
    agent = Noted("books", machine=machine or Machine(), durable=durable)
    root = Supervisor("root", children=[agent])
    return Runtime(root, state_store=store, conversations=Retention(**keep))


async def kept(store: StateStore, conversation: str, history: list[str]) -> str:
    key = key_of("books", conversation)
    record = await Record.load(store, key)
    record.history = history
    await record.keep(store, key)
    return key


async def aged(store: Any, key: str, days: float) -> None:
    """Let the conversation be one that was used some days ago."""
    head = await store.get(key)
    await store.set(key, {**head, "used": int(time.time() - days * DAY)})


async def swept(runtime: Runtime, days: float = 30) -> int:
    return await Sweeper(runtime._node).sweep(days * DAY)


@pytest.mark.parametrize("kind", [WithRevisions, WithBatches])
@pytest.mark.promise(id="SEM-1570")
async def test_a_conversation_that_nobody_uses_is_dropped_with_all_it_is_kept_in(kind):
    store = kind(InMemoryStateStore())
    async with running(store) as runtime:
        old = await kept(store, "old", ["x" * 1000] * 5)
        await store.set(f"civitas:context:{old}", {"user": "ann"})
        new = await kept(store, "new", ["x"])
        await aged(store, old, 31)
        await aged(store, new, 29)
        assert await swept(runtime) == 1
    assert await store.keys() == [new]


@pytest.mark.promise(id="SEM-1570")
async def test_it_happens_in_the_background_from_the_start_on():
    store = InMemoryStateStore()
    old = await kept(store, "old", ["x"])
    await aged(store, old, 31)
    async with running(store, keep=30 * DAY) as runtime:
        await runtime.ask("books", ["a"], conversation="new")
        while old in store:
            await asyncio.sleep(0)
    async with running(store):
        await asyncio.sleep(0)
    assert await store.keys() == [key_of("books", "new")]


async def test_by_default_nothing_is_dropped():
    store = InMemoryStateStore()
    old = await kept(store, "old", ["x"])
    await aged(store, old, 10_000)
    agent = MachineAgent("books", machine=Machine())
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        await runtime.ask("books", ["a"], conversation="new")
        assert old in store


@pytest.mark.promise(id="SEM-1571")
async def test_the_conversation_that_a_run_is_using_is_never_dropped():
    store, machine = InMemoryStateStore(), Machine()
    key = await kept(store, "trip", ["A"])
    async with running(store, machine, keep=30 * DAY) as runtime:
        asking = asyncio.create_task(runtime.ask("books", ["hang"], conversation="trip"))
        await machine.began.wait()
        await aged(store, key, 31)
        assert await swept(runtime) == 0
        head = await store.get(key)
        machine.go_on.set()
        with pytest.raises(Exception, match="was written elsewhere"):  # by the test itself
            await asking
    assert head is not None


@pytest.mark.promise(id="SEM-1571")
async def test_a_run_in_another_process_claims_its_conversation(tmp_path):
    stores = [SQLiteStateStore(tmp_path / "state.db") for _ in range(2)]
    machine = Machine()
    key = await kept(stores[0], "trip", ["A"])
    await aged(stores[0], key, 16)
    async with (
        running(stores[0], keep=30 * DAY) as root,
        running(stores[1], machine, keep=30 * DAY) as member,
    ):
        asking = asyncio.create_task(member.ask("books", ["hang"], conversation="trip"))
        await machine.began.wait()
        # As seen by a sweeper that looks 15 days later.
        sweeper = Sweeper(root._node, now=lambda: time.time() + 15 * DAY)
        assert await sweeper.sweep(30 * DAY) == 0
        machine.go_on.set()
        assert (await asking).payload == {"done": ["HANG"], "before": ["A"]}
    for store in stores:
        await store.close()


@pytest.mark.parametrize("kind", [WithRevisions, WithBatches])
async def test_a_conversation_that_is_used_at_this_moment_is_left_alone(kind):
    class Used(kind):  # type: ignore[misc, valid-type]  # of each kind of store
        writes = 0

        async def get_with_revision(self, key: str) -> Any:
            found = await super().get_with_revision(key)
            if key.endswith("trip") and self.writes:
                self.writes -= 1
                await kept(self, "trip", ["A", "B"])
            return found

    store = Used(InMemoryStateStore())
    key = await kept(store, "trip", ["A"])
    await aged(store, key, 31)
    async with running(store) as runtime:
        store.writes = 1
        assert await swept(runtime) == 0
    assert (await Record.load(store, key)).history == ["A", "B"]


async def test_what_an_earlier_version_kept_is_dropped_when_it_was_seen_unused_for_so_long():
    store = InMemoryStateStore()
    key = key_of("books", "old")
    await store.set(key, {"history": ["A"]})
    async with running(store) as runtime:
        assert await swept(runtime) == 0
        later = Sweeper(runtime._node, now=lambda: time.time() + 29 * DAY)
        assert await later.sweep(30 * DAY) == 0
        later = Sweeper(runtime._node, now=lambda: time.time() + 31 * DAY)
        assert await later.sweep(30 * DAY) == 1
        assert key not in store
        await later.sweep(30 * DAY)
    assert await store.get("civitas:unused") == {"seen": {}}


async def test_a_store_that_cannot_list_is_named(caplog):
    store = FewMethods(InMemoryStateStore())
    with caplog.at_level(logging.WARNING):
        async with running(store, keep=DAY):
            pass
    assert "the state store FewMethods cannot list its keys" in caplog.text


async def test_a_store_that_fails_is_tried_again_later(caplog):
    class Broken(InMemoryStateStore):
        async def keys(self, prefix: str = "") -> list[str]:
            raise OSError("the disk is gone")

    async with running(Broken(), keep=DAY) as runtime:
        while "could not be dropped: the disk is gone" not in caplog.text:
            await asyncio.sleep(0)
        assert (await runtime.ask("books", ["a"])).payload["done"] == ["A"]


async def test_what_is_in_use_is_known():
    recent = RecentRecords()
    async with recent.using("a"), recent.using("a"):
        async with recent.using("a"):
            assert recent.is_in_use("a")
        assert recent.is_in_use("a")
    assert not recent.is_in_use("a")


# The longest.


@pytest.mark.promise(id="SEM-1572")
async def test_a_long_conversation_keeps_its_newest_messages():
    store = InMemoryStateStore()
    async with running(store, longest=3) as runtime:
        for order in "abcde":
            reply = await runtime.ask("books", [order], conversation="trip")
        assert reply.payload["before"] == ["B", "C", "D"]
    assert (await Record.load(store, key_of("books", "trip"))).history == ["C", "D", "E"]


async def test_a_conversation_that_waits_for_a_human_keeps_all():
    store = InMemoryStateStore()
    async with running(store) as runtime:
        for order in "abc":
            await runtime.ask("books", [order], conversation="trip")
        await runtime.ask("books", ["ask", "d"], conversation="trip")
    async with running(store, longest=2) as runtime:
        await Shortening(RUNNING[-1], 2).shorten_all()
        assert (await Record.load(store, key_of("books", "trip"))).history == ["A", "B", "C"]
        await runtime.ask("books", {"value": "yes"}, "resume", conversation="trip")
    assert (await Record.load(store, key_of("books", "trip"))).history == ["yes", "D"]


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1576")
async def test_a_long_conversation_that_nobody_uses_is_shortened_in_the_background(durable):
    store = WithBatches(InMemoryStateStore())
    for text in ("short", "x" * 1000):  # in the head, and in pieces
        await kept(store, text[:5], [f"{n} {text}" for n in range(6)])
    await kept(store, "brief", ["A"])
    async with running(store, durable=durable, longest=2):
        while len((await Record.load(store, key_of("books", "xxxxx"))).history) > 2:
            await asyncio.sleep(0)
        while len((await Record.load(store, key_of("books", "short"))).history) > 2:
            await asyncio.sleep(0)
        store.bytes = 0
        await Shortening(RUNNING[-1], 2).shorten_all()
        assert store.bytes == 0
    assert (await Record.load(store, key_of("books", "short"))).history == ["4 short", "5 short"]


@pytest.mark.promise(id="SEM-1576")
async def test_the_conversation_that_a_run_is_using_is_shortened_by_that_run():
    store, machine = InMemoryStateStore(), Machine()
    await kept(store, "trip", ["A", "B", "C", "D"])
    async with running(store, machine, longest=2) as runtime:
        asking = asyncio.create_task(runtime.ask("books", ["hang"], conversation="trip"))
        await machine.began.wait()
        await Shortening(RUNNING[-1], 2).shorten_all()
        machine.go_on.set()
        assert (await asking).payload["before"][-1] == "D"
    assert (await Record.load(store, key_of("books", "trip"))).history == ["D", "HANG"]


@pytest.mark.promise(id="SEM-1576")
async def test_a_run_waits_for_its_conversation_to_be_shortened():
    recent = RecentRecords()
    with recent.holding("a") as held, recent.holding("a") as again:
        assert (held, again) == (True, False)
        using = asyncio.create_task(recent.using("a").__aenter__())
        await asyncio.sleep(0)
        assert not using.done()
    await using
    with recent.holding("a") as held:
        assert not held


@pytest.mark.promise(id="SEM-1576")
async def test_what_a_durable_run_that_is_to_go_on_began_with_is_left_alone():
    store = InMemoryStateStore()
    await kept(store, "trip", ["A", "B", "C", "D"])
    await store.set("civitas:step:books/a message/its step", {"result": 1})
    async with running(store, durable=True, longest=2):
        await Shortening(RUNNING[-1], 2).shorten_all()
    assert (await Record.load(store, key_of("books", "trip"))).history == ["A", "B", "C", "D"]


@pytest.mark.promise(id="SEM-1576")
async def test_what_a_replica_may_be_using_is_left_alone_for_a_day(monkeypatch):
    store = InMemoryStateStore()
    async with running(store, longest=2) as runtime:
        agent = RUNNING[-1]
        with monkeypatch.context() as replica:
            replica.setattr(agent, "name", "books-1")
            replica.setattr(runtime._node, "name", "worker")
            key = await kept(store, "trip", ["A", "B", "C", "D"])
            await Shortening(agent, 2).shorten_all()
            assert len((await Record.load(store, key)).history) == 4
            await aged(store, key, 2)
            async with Remembering(agent).using("trip"):  # by a run, which says so to the others
                assert (written(await store.get(key)) or 0) > time.time() - 60
            await aged(store, key, 2)
            await Shortening(agent, 2).shorten_all()
            assert (await Record.load(store, key)).history == ["C", "D"]


def test_of_the_agents_behind_one_name_one_shortens_for_all(monkeypatch):
    recent, now = RecentRecords(), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert [recent.is_due("books", 60) for _ in range(2)] == [True, False]
    recent.is_due_again("books")
    assert recent.is_due("books", 60)
    now[0] += 61
    assert recent.is_due("books", 60)


@pytest.mark.parametrize(
    ("text", "longest", "left"),
    [
        ("Uaa Ua Uaaa", 20, "UaaUaUaaa"),
        ("Uaa Ua Uaaa", 9, "UaaUaUaaa"),
        ("Uaa Ua Uaaa", 8, "UaUaaa"),
        ("Uaa Ua Uaaa", 6, "UaUaaa"),
        ("Uaa Ua Uaaa", 5, "Uaaa"),
        ("Uaa Ua Uaaa", 1, "Uaaa"),
        ("aaa", 1, "aaa"),
        ("", 1, ""),
    ],
)
def test_turns_stay_whole(text, longest, left):
    messages = [*text.replace(" ", "")]
    assert newest_turns(messages, longest, str.isupper) == [*left]


# The key of a topology.

TOPOLOGY: dict[str, Any] = {"supervision": {"children": []}}


@pytest.mark.parametrize(
    ("written", "seconds"), [("30d", 30 * DAY), ("12h", 43200), ("1.5m", 90), ("45s", 45), (7, 7)]
)
def test_a_topology_says_what_is_kept(written, seconds):
    topology = load({**TOPOLOGY, "conversations": {"keep": written, "longest": 100}})
    options = runtime_options(topology)
    assert options["conversations"] == Retention(keep=seconds, longest=100)
    assert "conversations" not in runtime_options(load(TOPOLOGY))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"keep": "30 days"}, r"'keep' must be a time, such as 30d, 12h"),
        ({"keep": 0}, r"must be a time"),
        ({"keep": True}, r"must be a time"),
        ({"longest": 0}, r"'longest'"),
        ({"kept": "1d"}, r"did you mean 'keep'"),
    ],
)
def test_what_does_not_fit_is_refused(entry, said):
    with pytest.raises(TopologyError, match=said):
        load({**TOPOLOGY, "conversations": entry})


async def test_a_claim_leaves_what_is_kept_as_it_was():
    store = InMemoryStateStore()
    record = await LongRecord.load(store, "a")
    await record.save({"n": 1}, {"items": ["x" * 1000]})
    await aged(store, "a", 3)
    await claim(store, "a", unused_since=time.time() - DAY)
    assert (written(await store.get("a")) or 0) > time.time() - 60
    found = await LongRecord.load(store, "a", known=record)
    assert found.facts is record.facts
    await claim(store, "b", unused_since=time.time())
    assert await store.get("b") is None
