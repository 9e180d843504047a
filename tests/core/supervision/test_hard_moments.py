"""Two things at once: crashes, stops, restarts and calls that meet in the same moment."""

from __future__ import annotations

import asyncio

import pytest

from civitas.errors import AgentTerminated, HandlerFailed, SupervisionError, SupervisorGaveUp
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas.testing import ManualClock
from tests.core.supervision.cast import Fused, waiting
from tests.core.support import (
    Actor,
    Journal,
    SlowToStop,
    StartsBadly,
    crash,
    error_of,
    eventually,
    status,
)


async def boom(runtime: Runtime, journal: Journal, fuse: asyncio.Event, names: str) -> None:
    """Crash all of `names` in one turn of the loop, in that order."""
    asking = []
    for name in names:
        asking.append(asyncio.create_task(error_of(runtime.ask(name, 1, "boom"))))
        await journal.until(f"ready {name}")
    fuse.set()
    assert all(isinstance(error, HandlerFailed) for error in await asyncio.gather(*asking))


# Two crash at once.


@pytest.mark.promise(id="SEM-414")
@pytest.mark.parametrize("order", ["ab", "ba"])
async def test_two_of_a_group_that_crash_at_once_start_in_their_order(
    journal: Journal, order: str
) -> None:
    fuse = asyncio.Event()
    children = [Fused(name, journal, fuse) for name in "abc"]
    root = Supervisor("root", children, strategy="rest_for_one", backoff="none")
    async with Runtime(root) as runtime:
        journal.clear()
        await boom(runtime, journal, fuse, order)
        assert (await runtime.ask("c", 1)).payload == 1
        starts = [entry for entry in journal if entry.startswith("start")]
        assert starts == ["start a", "start b", "start c"]


@pytest.mark.promise(id="SEM-414")
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_two_that_crash_at_once_are_both_told(journal: Journal, strategy: str) -> None:
    fuse = asyncio.Event()
    told: list[tuple[str, str]] = []
    children = [Fused(name, journal, fuse) for name in "ab"]
    runtime = Runtime(Supervisor("root", children, strategy=strategy, backoff="none"))
    for type in ("crashed", "restarted"):
        runtime.on(type, lambda event: told.append((event.type, event.name)))
    async with runtime:
        await boom(runtime, journal, fuse, "ab")
        await eventually(lambda: told.count(("restarted", "b")) == 1)
    for name in "ab":
        assert told.count(("crashed", name)) == told.count(("restarted", name)) == 1
        assert told.index(("crashed", name)) < told.index(("restarted", name))


@pytest.mark.promise(id="SEM-414")
async def test_two_of_a_group_that_crash_at_once_cost_one_restart(journal: Journal) -> None:
    fuse = asyncio.Event()
    children = [Fused(name, journal, fuse) for name in "ab"]
    root = Supervisor("root", children, strategy="one_for_all", backoff="none", max_restarts=1)
    async with Runtime(root) as runtime:
        await boom(runtime, journal, fuse, "ab")
        assert (await runtime.ask("b", 1)).payload == 1


# While a group waits for its restart.


async def test_an_earlier_sibling_that_crashes_takes_the_waiting_group_along(
    journal: Journal,
) -> None:
    clock = ManualClock()
    children = [Actor(name, journal) for name in "abc"]
    root = Supervisor("root", children, strategy="rest_for_one", **waiting(10))
    async with Runtime(root, clock=clock) as runtime:
        await crash(runtime, "b")
        await clock.timers()
        clock.advance(9)
        await crash(runtime, "a")
        await eventually(lambda: clock.pending == [10])  # b's own wait is over with
        journal.clear()
        clock.advance(10)
        await journal.until("start c")
        assert journal == ["start a", "start b", "start c"]


async def test_who_is_ended_while_its_group_waits_leaves_the_others_down(journal: Journal) -> None:
    children = [Actor(name, journal) for name in "abc"]
    root = Supervisor("root", children, strategy="rest_for_one", **waiting())
    async with Runtime(root) as runtime:
        await crash(runtime, "b")
        await eventually(lambda: status(runtime, "c") == "restarting")
        asking = asyncio.create_task(error_of(runtime.ask("c", 1)))
        await asyncio.sleep(0)
        await runtime.terminate_child("root", "b")
        assert isinstance(await asking, AgentTerminated)
        assert [status(runtime, name) for name in "abc"] == ["running", "stopped", "stopped"]
        for name in "cb":
            await runtime.restart_child("root", name)
            assert (await runtime.ask(name, 1)).payload == 1


async def test_a_sibling_that_is_ended_while_its_group_waits_comes_back_with_it(
    journal: Journal,
) -> None:
    clock = ManualClock()
    children = [Actor(name, journal) for name in "ab"]
    root = Supervisor("root", children, strategy="one_for_all", **waiting(10))
    async with Runtime(root, clock=clock) as runtime:
        await crash(runtime, "a")
        await clock.timers()
        await runtime.terminate_child("root", "b")
        assert status(runtime, "b") == "stopped"
        clock.advance(10)
        assert (await runtime.ask("a", 1)).payload == 1
        await journal.until("start b", 2)


async def test_who_is_restarted_by_hand_while_its_group_waits_brings_the_group_back(
    journal: Journal,
) -> None:
    children = [Actor(name, journal) for name in "ab"]
    root = Supervisor("root", children, strategy="one_for_all", **waiting())
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "b") == "restarting")
        await runtime.restart("a")
        assert [status(runtime, name) for name in "ab"] == ["running", "running"]


async def test_a_child_added_while_its_group_waits_is_started_again_with_it(
    journal: Journal,
) -> None:
    clock = ManualClock()
    root = Supervisor("root", [Actor("a", journal)], strategy="one_for_all", **waiting(10))
    async with Runtime(root, clock=clock) as runtime:
        await crash(runtime, "a")
        await clock.timers()
        await runtime.start_child("root", Actor("b", journal))
        journal.clear()
        clock.advance(10)
        await journal.until("start b")
        assert journal == ["stop b", "start a", "start b"]


async def test_a_child_added_while_its_group_waits_is_stopped_for_a_restart_by_hand(
    journal: Journal,
) -> None:
    root = Supervisor("root", [Actor("a", journal)], strategy="one_for_all", **waiting())
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        await runtime.start_child("root", Actor("b", journal))
        journal.clear()
        await runtime.restart("a")
        assert journal == ["stop b", "start a", "start b"]


async def test_a_sibling_that_is_asked_during_a_group_restart_answers_after_it(
    journal: Journal,
) -> None:
    clock = ManualClock()
    children = [Actor(name, journal) for name in "ab"]
    root = Supervisor("root", children, strategy="one_for_all", **waiting(10))
    async with Runtime(root, clock=clock) as runtime:
        await crash(runtime, "a")
        await clock.timers()
        asking = asyncio.create_task(runtime.ask("b", "during"))
        await asyncio.sleep(0)
        clock.advance(10)
        assert (await asking).payload == "during"
        assert journal.count("start b") == 2


# A call in the middle of it.


@pytest.mark.promise(id="SEM-459")
async def test_a_call_behind_a_give_up_is_refused_at_once(journal: Journal) -> None:
    let_go = asyncio.Event()
    children = [Actor("a", journal), SlowToStop("b", journal, let_go)]
    runtime = Runtime(Supervisor("root", children, max_restarts=0))
    await runtime.start()
    await crash(runtime, "a")
    await journal.until("stop b")
    calling = asyncio.create_task(error_of(runtime.terminate_child("root", "b")))
    await asyncio.sleep(0)
    let_go.set()
    error = await calling
    assert isinstance(error, SupervisionError)
    assert error.reason == "restarting"
    with pytest.raises(SupervisorGaveUp):
        await runtime.wait()
    await runtime.stop()


@pytest.mark.promise(id="SEM-459")
async def test_a_call_that_a_stop_interrupts_is_refused(journal: Journal) -> None:
    class Hangs(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await asyncio.Event().wait()

    runtime = Runtime(Supervisor("root", [Actor("a", journal)]), drain_timeout=0)
    await runtime.start()
    calling = asyncio.create_task(error_of(runtime.start_child("root", Hangs("b", journal))))
    await journal.until("starting")
    await runtime.stop()
    assert isinstance(await calling, SupervisionError)


async def test_a_give_up_that_a_stop_interrupts_is_told_to_who_waits(journal: Journal) -> None:
    let_go = asyncio.Event()
    children = [Actor("a", journal), SlowToStop("b", journal, let_go)]
    runtime = Runtime(Supervisor("root", children, max_restarts=0), drain_timeout=0)
    await runtime.start()
    await crash(runtime, "a")
    await journal.until("stop b")
    stopping = asyncio.create_task(runtime.stop())
    await eventually(lambda: status(runtime, "root") == "stopping")
    let_go.set()
    await stopping
    with pytest.raises(SupervisorGaveUp):
        await runtime.wait()


async def test_a_stop_that_meets_the_clean_up_of_a_failed_start_leaves_nobody(
    journal: Journal,
) -> None:
    let_go = asyncio.Event()
    slow, bad = SlowToStop("b", journal, let_go), StartsBadly("c", journal, 1)
    runtime = Runtime(Supervisor("root"), drain_timeout=0)
    await runtime.start()
    added = Supervisor("added", [Actor("a", journal), slow, bad])
    calling = asyncio.create_task(error_of(runtime.start_child("root", added)))
    await journal.until("stop b")
    stopping = asyncio.create_task(runtime.stop())
    assert isinstance(await calling, SupervisionError)
    let_go.set()
    await stopping
    assert journal[-1] == "stop a"


async def test_a_call_behind_a_stop_that_is_itself_interrupted_is_refused(
    journal: Journal,
) -> None:
    let_go = asyncio.Event()
    inner = Supervisor("inner", [SlowToStop("a", journal, let_go), Actor("b", journal)])
    runtime = Runtime(Supervisor("root", [inner]), drain_timeout=0)
    await runtime.start()
    working = asyncio.create_task(runtime.terminate_child("inner", "a"))
    await journal.until("stop a")
    behind = asyncio.create_task(error_of(runtime.terminate_child("inner", "b")))
    await asyncio.sleep(0)
    ending = asyncio.create_task(error_of(runtime.terminate_child("root", "inner")))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(runtime.stop())
    for call in (behind, ending):
        assert isinstance(await call, SupervisionError)
    let_go.set()
    await asyncio.wait({working, stopping})
    assert isinstance(working.exception(), SupervisionError)
