"""Dynamic supervisors, when several things happen to a child at once."""

from __future__ import annotations

import asyncio

import pytest

from civitas.errors import (
    ConfigurationError,
    HandlerFailed,
    StartFailed,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import DynamicSupervisor, Supervisor
from tests.core.supervision.cast import dynamic
from tests.core.support import (
    Actor,
    Hangs,
    Journal,
    SlowToStop,
    StartsBadly,
    crash,
    error_of,
    eventually,
    reason_of,
    told,
)

# Hard moments.


@pytest.mark.promise(id="SEM-508")
async def test_a_child_that_is_ended_while_it_starts_again_stays_ended(journal: Journal) -> None:
    async with dynamic(journal, max_restarts=1) as runtime:
        events = told(runtime)
        await runtime.start_child("sessions", Hangs("s1", journal))
        await crash(runtime, "s1")
        await journal.until("try s1", 2)
        await runtime.terminate_child("sessions", "s1")
        assert runtime.which_children("sessions") == []
        await runtime.start_child("sessions", Actor("s1", journal))
        assert (await runtime.ask("s1", 1)).payload == 1
        assert events == [("crashed", "s1"), ("terminated", "s1")]


async def test_a_give_up_while_a_child_starts_again_happens_once(journal: Journal) -> None:
    async with dynamic(journal, max_restarts=1) as runtime:
        events = told(runtime)
        await runtime.start_child("sessions", Hangs("s1", journal))
        await runtime.start_child("sessions", Actor("s2", journal))
        await crash(runtime, "s1")
        await journal.until("try s1", 2)
        await crash(runtime, "s2")
        await eventually(lambda: ("restarted", "sessions") in events)
        assert events == [
            *(("crashed", "s1"), ("crashed", "s2")),
            *(("gave_up", "sessions"), ("restarted", "sessions")),
        ]


async def test_two_that_end_the_same_child_both_find_it_ended(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        events = told(runtime)
        await runtime.start_child("sessions", Actor("s1", journal))
        await asyncio.gather(*(runtime.terminate_child("sessions", "s1") for _ in range(2)))
        assert events == [("terminated", "s1")]


async def test_a_restart_by_hand_that_a_stop_meets_starts_nobody(journal: Journal) -> None:
    let_go = asyncio.Event()
    runtime = Runtime(Supervisor("root", [DynamicSupervisor("sessions")]), drain_timeout=0)
    await runtime.start()
    await runtime.start_child("sessions", SlowToStop("s1", journal, let_go))
    restarting = asyncio.create_task(reason_of(runtime.restart("s1")))
    await journal.until("stop s1")
    stopping = asyncio.create_task(runtime.stop())
    assert await restarting == "restarting"
    let_go.set()
    await stopping
    assert journal == ["start s1", "stop s1"]


async def test_a_restart_by_hand_that_fails_is_told_and_tried_again(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", StartsBadly("s1", journal, 2))
        with pytest.raises(StartFailed):
            await runtime.restart("s1")
        assert (await runtime.ask("s1", 1)).payload == 1


async def test_an_agent_that_ends_itself_and_crashes_is_only_ended(journal: Journal) -> None:
    class EndsAndCrashes(AgentProcess):
        async def handle(self, message: Message) -> None:
            await self.terminate(self.name)
            await self.terminate(self.name)
            raise ValueError("and crashes")

    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", EndsAndCrashes("e", restart="temporary"))
        assert isinstance(await error_of(runtime.ask("e", 1)), HandlerFailed)
        await eventually(lambda: runtime.which_children("sessions") == [])


@pytest.mark.promise(id="SEM-508")
@pytest.mark.parametrize("first", ["terminate_child", "restart"])
async def test_a_child_that_is_ended_and_restarted_by_hand_at_once_is_ended(
    journal: Journal, first: str
) -> None:
    let_go = asyncio.Event()
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", SlowToStop("s1", journal, let_go))
        calls = {
            "terminate_child": lambda: runtime.terminate_child("sessions", "s1"),
            "restart": lambda: reason_of(runtime.restart("s1")),
        }
        second = next(name for name in calls if name != first)
        working = {first: asyncio.create_task(calls[first]())}
        await journal.until("stop s1")
        working[second] = asyncio.create_task(calls[second]())
        await asyncio.sleep(0)
        let_go.set()
        await working["terminate_child"]
        assert await working["restart"] == "not_found"
        assert runtime.which_children("sessions") == []
    assert journal == ["start s1", "stop s1"]


async def test_two_restarts_by_hand_at_once_are_one(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        await asyncio.gather(runtime.restart("s1"), runtime.restart("s1"))
        assert (await runtime.ask("s1", 1)).payload == 1
    assert journal == ["start s1", "stop s1", "start s1", "stop s1"]


async def test_a_child_that_starts_is_not_restarted_by_hand(journal: Journal) -> None:
    go = asyncio.Event()

    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await go.wait()

    async with dynamic(journal) as runtime:
        starting = asyncio.create_task(runtime.start_child("sessions", Slow("s1", journal)))
        await journal.until("starting")
        assert await reason_of(runtime.restart("s1")) == "restarting"
        go.set()
        await starting
        assert (await runtime.ask("s1", 1)).payload == 1


@pytest.mark.promise(id="SEM-461")
async def test_a_child_whose_start_is_cancelled_is_stopped_and_forgotten(journal: Journal) -> None:
    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await asyncio.Event().wait()

    async with dynamic(journal) as runtime:
        starting = asyncio.create_task(runtime.start_child("sessions", Slow("s1", journal)))
        await journal.until("starting")
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
        assert runtime.which_children("sessions") == []
        await runtime.start_child("sessions", Actor("s1", journal))
        assert (await runtime.ask("s1", 1)).payload == 1


@pytest.mark.promise(id="SEM-461")
async def test_a_start_that_is_cancelled_in_the_moment_it_is_done_is_undone_too(
    journal: Journal,
) -> None:
    async with dynamic(journal) as runtime:
        starting = asyncio.create_task(runtime.start_child("sessions", Actor("s1", journal)))
        runtime.on("started", lambda event: event.name == "s1" and starting.cancel())
        await asyncio.wait({starting})
        assert starting.cancelled()
        assert runtime.which_children("sessions") == []
    assert journal[-2:] == ["start s1", "stop s1"]


@pytest.mark.promise(id="SEM-1134")
async def test_a_broadcast_passes_over_who_goes_meanwhile(journal: Journal) -> None:
    """Children come and go beside it, in every step of it."""
    runtime = dynamic(journal)
    over = asyncio.Event()

    async def come_and_go(name: str) -> None:
        while not over.is_set():
            await runtime.start_child("sessions", Actor(name, journal))
            await runtime.terminate_child("sessions", name)

    async with runtime, asyncio.TaskGroup() as group:
        for n in range(5):
            group.create_task(come_and_go(f"guest-{n}"))
        await runtime.start_child("sessions", Actor("guest-stays", journal))
        counts = [await runtime.broadcast("guest-*", "nothing") for _ in range(100)]
        over.set()
    assert min(counts) >= 1
    assert max(counts) > 1


@pytest.mark.promise(id="SEM-1134")
async def test_a_broadcast_tells_how_many_took_it_where_the_runtime_stops_meanwhile(
    journal: Journal,
) -> None:
    runtime = dynamic(journal)
    async with runtime:
        for n in range(3):
            await runtime.start_child("sessions", Actor(f"guest-{n}", journal))
        telling = asyncio.ensure_future(runtime.broadcast("guest-*", "nothing"))
        await asyncio.sleep(0)  # it looks whom to tell
        runtime._node.close_door()
        assert await telling == 0
        runtime._node.open = True
        with pytest.raises(ConfigurationError, match="takes a pattern"):
            await runtime.broadcast("*" * 5000, "nothing")
