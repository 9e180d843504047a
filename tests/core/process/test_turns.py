"""Whatever there are hundreds of at once is done in many turns of the event loop: nobody else waits for all of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from civitas import (
    AgentProcess,
    ConversationPool,
    DynamicSupervisor,
    Message,
    Runtime,
    Supervisor,
)
from civitas.process import Cell, incarnation, turns
from civitas.process.turns import Turns
from civitas.supervision import ChildSpec
from tests.core.support import eventually

MANY = 200
AT_ONCE = 4


class Seen:
    """In which turns of the loop things happened."""

    def __init__(self) -> None:
        self.turn = 0
        self.of: dict[str, Counter[int]] = {}

    def note(self, what: str) -> None:
        self.of.setdefault(what, Counter())[self.turn] += 1

    def all(self, what: str) -> bool:
        return self.of.get(what, Counter()).total() == MANY

    def most(self, what: str) -> int:
        """The most of it in one turn."""
        return max(self.of[what].values())

    async def count(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


@pytest.fixture
async def seen(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    """With a turn that is long once something was done in it."""
    monkeypatch.setattr(turns, "_LONG", 0)
    monkeypatch.setattr(turns, "_AT_ONCE", AT_ONCE)
    seen = Seen()
    counting = asyncio.create_task(seen.count())
    yield seen
    counting.cancel()
    await asyncio.wait({counting})


class Noting(AgentProcess):
    def __init__(self, name: str, seen: Seen) -> None:
        super().__init__(name)
        self.seen = seen

    async def handle(self, message: Message) -> None:
        self.seen.note("handled")
        if message.type == "crash":
            raise ValueError("it crashes")

    async def on_stop(self) -> None:
        self.seen.note("stopped")


async def start(kind: str, seen: Seen) -> Runtime:
    agents = [Noting(f"a{n}", seen) for n in range(MANY)]
    below: ChildSpec = ConversationPool("below", Noting("template", seen))
    if kind == "supervisor":
        below = Supervisor("below", agents, max_restarts=MANY, backoff="none")
    elif kind == "dynamic_supervisor":
        below = DynamicSupervisor("below", max_restarts=MANY, backoff="none")
    runtime = Runtime(Supervisor("root", [below]))
    for type in ("crashed", "restarted"):
        runtime.on(type, lambda event: seen.note(event.type))
    await runtime.start()
    if kind == "dynamic_supervisor":
        await asyncio.gather(*(runtime.start_child("below", agent) for agent in agents))
    if kind == "pool":
        seen.of.clear()
        for n in range(MANY):
            await runtime.send("below", n, conversation=f"a{n}")
        await eventually(lambda: seen.all("handled"))
    seen.of.clear()
    return runtime


@pytest.mark.promise(id="SEM-1194")
@pytest.mark.parametrize("kind", ["supervisor", "dynamic_supervisor", "pool"])
async def test_many_that_are_told_crash_restart_and_stop_together_leave_turns_to_others(
    kind: str, seen: Seen
) -> None:
    runtime = await start(kind, seen)
    pattern = "below/a*" if kind == "pool" else "a*"
    assert await runtime.broadcast(pattern, None, "crash") == MANY
    await eventually(lambda: seen.all("restarted"))
    # One that finds its turn young, and those that waited.
    for what in ("handled", "crashed", "restarted"):
        assert seen.all(what)
        assert seen.most(what) <= AT_ONCE + 1, what
    seen.of.clear()
    await runtime.stop()
    assert seen.all("stopped")
    assert seen.most("stopped") <= AT_ONCE + 1


async def test_who_gives_way_goes_on_in_order_and_who_is_cancelled_meanwhile_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_LONG", 0)
    monkeypatch.setattr(turns, "_AT_ONCE", 2)
    shared = Turns(asyncio.get_running_loop())
    went: list[int] = []

    async def work(n: int) -> None:
        await shared.give_way()
        went.append(n)

    tasks = [asyncio.create_task(work(n)) for n in range(7)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    await asyncio.wait(tasks)
    assert went == [0, 1, 2, 4, 5, 6]


async def test_in_a_short_turn_nobody_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONG", 1000)
    shared = Turns(asyncio.get_running_loop())
    for _ in range(100):
        with pytest.raises(StopIteration):
            shared.give_way().send(None)


class Endless(AgentProcess):
    """Sends to itself without end, and waits for nothing."""

    async def handle(self, message: Message) -> None:
        await self.send(self.name, None)


async def handled_in_a_turn() -> int:
    """How many messages an agent that never waits handles before somebody else has a turn."""
    endless = Endless("endless", shutdown_timeout=0)
    async with Runtime(Supervisor("root", [endless]), drain_timeout=0) as runtime:
        await runtime.send("endless", None)
        cell = runtime._node.registry["endless"]
        assert isinstance(cell, Cell)
        await eventually(lambda: cell.mailbox.taken > 0)
        before = cell.mailbox.taken
        await asyncio.sleep(0)
        return cell.mailbox.taken - before


async def test_an_agent_that_never_waits_leaves_a_turn_to_others_when_its_own_was_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incarnation, "_LONG", 0)
    assert await handled_in_a_turn() == 1


async def test_an_agent_that_never_waits_leaves_turns_to_others_although_the_clock_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    assert await handled_in_a_turn() == incarnation._TURN
