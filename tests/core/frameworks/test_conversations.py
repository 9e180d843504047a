"""What an adapter keeps of conversations: what is new in a turn is written, and nothing of a run that failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas import HandlerFailed, Runtime, SQLiteStateStore, Supervisor
from civitas.frameworks import Run
from civitas.frameworks.conversations import Record, key_of
from civitas.frameworks.recent import RecentRecords
from civitas.message import Message, encode
from civitas.state import InMemoryStateStore, LongRecord
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.state.few_methods import FewMethods, WithBatches, WithRevisions

KEY = key_of("books", "trip")


def running(store: Any, **keywords: Any) -> Runtime:
    agent = MachineAgent("books", machine=Machine(), **keywords)
    return Runtime(Supervisor("root", children=[agent]), state_store=store)


class Terse(MachineAgent):
    """Replies without what came before."""

    async def run_framework(self, run: Run) -> Any:
        return {"done": (await super().run_framework(run))["done"]}


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("kind", [FewMethods, WithRevisions, WithBatches])
@pytest.mark.promise(id="SEM-1567")
async def test_a_turn_writes_what_is_new_in_it(kind, durable):
    store = kind(InMemoryStateStore())
    agent = Terse("books", machine=Machine(), durable=durable)
    async with Runtime(Supervisor("root", children=[agent]), state_store=store) as runtime:
        for n in range(100):
            await runtime.ask("books", [f"{n:04}" * 1000], conversation="trip")
        store.bytes = 0
        await runtime.ask("books", ["last" * 1000], conversation="trip")
    # If it is durable, also the result of its step, and the reply until its end was heard of.
    assert store.bytes < (3.3 if durable else 1.3) * 4000


@pytest.mark.parametrize(
    "history",
    [None, "text", 7, [], ["a"], {}, {"items": [], "n": 1}, {"items": ["a"] * 900, 1: ["b"]}],
)
async def test_a_history_of_any_form_is_found_again(history):
    store = InMemoryStateStore()
    record = await Record.load(store, KEY)
    record.history, record.interrupts, record.saved = history, [{"id": "1", "value": 2}], [1, "s"]
    record.message, record.outcome = "m", ("reply", {"n": 1}, {"h": "1"})
    await record.keep(store, KEY)
    found = await Record.load(store, KEY)
    assert found == record
    found.saved = found.outcome = None
    await found.keep(store, KEY)
    assert await Record.load(store, KEY) == found
    assert found.saved is None


@pytest.mark.promise(id="SEM-1568")
async def test_a_conversation_that_an_earlier_version_kept_goes_on():
    store = InMemoryStateStore()
    await store.set(KEY, {"history": ["A", "B"], "message": "m", "outcome": ["reply", {"n": 1}]})
    record = await Record.load(store, KEY)
    assert (record.history, record.outcome) == (["A", "B"], ("reply", {"n": 1}, {}))
    async with running(store) as runtime:
        reply = await runtime.ask("books", ["c"], conversation="trip")
        assert reply.payload["before"] == ["A", "B"]
        reply = await runtime.ask("books", ["d"], conversation="trip")
        assert reply.payload["before"] == ["A", "B", "C"]
    assert (await Record.load(store, KEY)).history == ["A", "B", "C", "D"]


async def test_an_open_question_of_an_earlier_version_can_be_answered():
    store = InMemoryStateStore()
    asked = [{"id": "0", "value": "sure?"}]
    await store.set(KEY, {"history": ["A"], "interrupts": asked, "saved": [["b"], []]})
    async with running(store) as runtime:
        reply = await runtime.ask("books", {"value": "YES"}, "resume", conversation="trip")
        assert reply.payload == {"done": ["YES", "B"], "before": ["A"]}


class Forgetful(MachineAgent):
    """Changes what it was given in place, and then fails."""

    async def run_framework(self, run: Run) -> Any:
        if run.payload == ["spoil"]:
            run.history[0]["spoilt"] = True
            run.history.append("spoilt")
            raise ValueError("spoilt")
        run.history = [{"n": 1}] if run.history is None else run.history
        return run.history


async def test_a_run_that_fails_leaves_nothing_in_a_conversation_that_is_awake():
    agent = Forgetful("books", machine=Machine())
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        await runtime.ask("books", ["a"], conversation="trip")
        with pytest.raises(HandlerFailed, match="spoilt"):
            await runtime.ask("books", ["spoil"], conversation="trip")
        reply = await runtime.ask("books", ["a"], conversation="trip")
        assert reply.payload == [{"n": 1}]


async def test_a_conversation_that_is_awake_is_not_read_again():
    store = WithBatches(InMemoryStateStore())
    async with running(store) as runtime:
        for n in range(4):
            await runtime.ask("books", [f"{n}" * 1000], conversation="trip")
            assert store.reads <= 1 + n + 1  # its state at the start, and each time the head


async def test_what_somebody_else_wrote_meanwhile_is_what_the_next_run_reads():
    store = InMemoryStateStore()
    async with running(store) as here, running(store) as there:
        for runtime, order in ((here, "a"), (there, "b"), (here, "c"), (there, "d")):
            reply = await runtime.ask("books", [order], conversation="trip")
        assert reply.payload["before"] == ["A", "B", "C"]


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.promise(id="SEM-1564")
@pytest.mark.promise(id="SEM-1574")
async def test_a_conversation_that_two_processes_use_at_once_is_refused_to_one(durable, tmp_path):
    stores = [SQLiteStateStore(tmp_path / "state.db") for _ in range(2)]
    machines = [Machine(), Machine()]
    agents = [MachineAgent("books", machine=each, durable=durable) for each in machines]
    async with (
        Runtime(Supervisor("root", children=[agents[0]]), state_store=stores[0]) as slow,
        Runtime(Supervisor("root", children=[agents[1]]), state_store=stores[1]) as quick,
    ):
        asking = asyncio.create_task(slow.ask("books", ["hang"], conversation="trip"))
        await machines[0].began.wait()
        await quick.ask("books", ["b"], conversation="trip")
        machines[0].go_on.set()
        refused = r"conversation 'trip' of agent 'books'.*uses it at the same time.*Ask again"
        with pytest.raises(HandlerFailed, match=refused) as caught:
            await asking
        assert caught.value.error_type == "StateConflict"
        reply = await slow.ask("books", ["c"], conversation="trip")
        assert reply.payload["before"] == ["B"]
        assert slow.tree()["children"][0]["restarts"] == 0
    for store in stores:
        await store.close()


async def test_what_is_known_of_conversations_has_bounds():
    store, awake = InMemoryStateStore(), RecentRecords()
    awake._most = 50_000
    for n in range(10):
        record = await LongRecord.load(store, f"{n}")
        await record.save({}, {"items": ["x" * 10_000]})
        awake.put(record)
    known = [n for n in range(10) if awake.take(f"{n}") is not None]
    assert known == [6, 7, 8, 9]
    assert awake._size == 0
    assert len(encode("x" * 10_000)) < 11_000


class Noting(MachineAgent):
    """Does something of its own before and after the framework's run."""

    async def handle(self, message: Message) -> Message | None:
        await self.step("before", self.subject.do, "before")
        reply = await super().handle(message)
        await self.step("after", self.subject.do, "crash")
        return reply


@pytest.mark.promise(id="SEM-1598")
async def test_what_a_durable_run_recorded_is_gone_with_the_write_that_ends_it():
    class Watched(WithBatches):
        async def write(self, changes: Any, *, expect: Any = {}) -> Any:  # noqa: B006
            written = await super().write(changes, expect=expect)
            steps.append(len(await self.keys("civitas:step:")))
            return written

    steps: list[int] = []
    store = Watched(InMemoryStateStore())
    async with running(store, durable=True) as runtime:
        await runtime.ask("books", ["a", "b", "c"], conversation="trip")
    assert steps[-1] == 0
    assert await store.keys("civitas:step:") == []


async def test_a_step_of_the_agents_own_outlives_the_run_within_its_message():
    machine = Machine(crash=[MemoryError("once")])
    agent = Noting("books", machine=machine, durable=True)
    tree = Supervisor("root", children=[agent], backoff="NONE")
    store = InMemoryStateStore()
    async with Runtime(tree, state_store=store) as runtime:
        reply = await runtime.ask("books", ["a"], conversation="trip")
    assert reply.payload["done"] == ["A"]
    assert machine.did == ["before", "a", "crash", "crash"]
    assert await store.keys("civitas:step:") == []
