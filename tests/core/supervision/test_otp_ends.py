"""The cases of OTP's and Elixir's own tests about failed restarts, stops and whole trees."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref

import pytest

from civitas.errors import (
    AgentTerminated,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import DynamicSupervisor, Supervisor
from civitas.testing import ManualClock
from tests.core.support import (
    Actor,
    Journal,
    SlowToStop,
    StartsBadly,
    crash,
    error_of,
    eventually,
    reason_of,
    status,
)


def counts(runtime: Runtime, supervisor: str = "root") -> list[int]:
    """Specs, active, supervisors, workers: as OTP's suite writes them."""
    return list(runtime.count_children(supervisor).values())


# A child that fails to start again, and a supervisor that keeps trying.


@pytest.mark.promise(id="SEM-418")
@pytest.mark.promise(id="SEM-455")
@pytest.mark.parametrize("how", ["terminate_child", "stop"])
async def test_a_restart_loop_can_be_ended(journal: Journal, how: str) -> None:
    children = [Actor("a", journal), StartsBadly("b", journal, *range(2, 9)), Actor("c", journal)]
    root = Supervisor(
        "root",
        children,
        strategy="rest_for_one",
        backoff="constant",
        backoff_base=1,
        max_restarts=100,
    )
    clock = ManualClock()
    async with Runtime(root, clock=clock, drain_timeout=0) as runtime:
        await crash(runtime, "b")
        for tries in (2, 3):
            await clock.timers()
            clock.advance(1)
            await journal.until("try b", tries)
        await clock.timers()
        assert counts(runtime) == [3, 1, 0, 3]
        assert (
            await reason_of(runtime.start_child("root", Actor("b", journal))) == "already_present"
        )
        for call in (runtime.restart_child, runtime.delete_child):
            assert await reason_of(call("root", "b")) == "restarting"
        if how == "terminate_child":
            await runtime.terminate_child("root", "b")
            assert [status(runtime, name) for name in "abc"] == ["running", "stopped", "stopped"]
            clock.advance(100)
            assert journal.count("try b") == 3


@pytest.mark.parametrize("how", ["terminate_child", "stop"])
async def test_a_restart_loop_of_a_dynamic_child_can_be_ended(journal: Journal, how: str) -> None:
    sessions = DynamicSupervisor("sessions", None, 100, backoff="constant", backoff_base=1)
    clock = ManualClock()
    async with Runtime(Supervisor("root", [sessions]), clock=clock, drain_timeout=0) as runtime:
        await runtime.start_child("sessions", StartsBadly("a", journal, *range(2, 9)))
        await crash(runtime, "a")
        for tries in (2, 3):
            await clock.timers()
            clock.advance(1)
            await journal.until("try a", tries)
        await clock.timers()
        assert (status(runtime, "a"), counts(runtime, "sessions")) == ("restarting", [1, 0, 0, 1])
        if how == "terminate_child":
            await runtime.terminate_child("sessions", "a")
            assert runtime.which_children("sessions") == []
    assert not clock.pending
    assert journal.count("try a") == 3


# Stops.


@pytest.mark.promise(id="SEM-207")
@pytest.mark.promise(id="SEM-415")
@pytest.mark.promise(id="SEM-428")
@pytest.mark.parametrize(
    ("shutdown_timeout", "told_to_stop"), [(0, False), (0.01, False), (30, True), (None, True)]
)
async def test_a_child_has_its_shutdown_timeout_to_end(
    journal: Journal, shutdown_timeout: float | None, told_to_stop: bool
) -> None:
    busy = Actor("busy", journal, shutdown_timeout=shutdown_timeout)
    runtime = Runtime(Supervisor("root", [Actor("idle", journal), busy]), drain_timeout=0)
    await runtime.start()
    reasons: list[str] = []

    class Watches(AgentProcess):
        async def on_start(self) -> None:
            await self.monitor("busy")

        async def handle(self, message: Message) -> None:
            reasons.append(message.payload["reason"])

    await runtime.start_child("root", Watches("watches"))
    asking = asyncio.create_task(runtime.ask("busy", 1, "hold"))
    await journal.until("hold busy")
    ending = asyncio.create_task(runtime.terminate_child("root", "busy"))
    if told_to_stop:
        await eventually(lambda: status(runtime, "busy") == "stopping")
        busy.release.set()
        assert (await asking).payload == 1
    else:
        assert isinstance(await error_of(asking), AgentTerminated)
    await ending
    await eventually(lambda: reasons)
    assert reasons == ["shutdown" if told_to_stop else "killed"]
    assert ("stop busy" in journal) is told_to_stop
    await runtime.stop()
    assert "stop idle" in journal


class StopsBadly(Actor):
    """Raises in `on_stop`."""

    async def on_stop(self) -> None:
        await super().on_stop()
        raise RuntimeError("cannot stop")


@pytest.mark.promise(id="SEM-417")
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("supervisor", ["root", "sessions"])
async def test_a_child_that_ends_badly_when_it_is_stopped_is_not_started_again(
    journal: Journal, supervisor: str, restart: str
) -> None:
    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        for name in "ab":
            child = StopsBadly(name, journal, restart=restart)
            await runtime.start_child(supervisor, child)
    assert sorted(journal) == ["start a", "start b", "stop a", "stop b"]


@pytest.mark.promise(id="SEM-419")
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("how", ["crash", "stop"])
async def test_a_child_that_ends_by_itself_while_a_sibling_stops_is_not_started_again(
    journal: Journal, restart: str, how: str
) -> None:
    let_go = asyncio.Event()

    class EndsWhenReleased(Actor):
        async def handle(self, message: Message) -> None:
            self.journal.write(f"hold {self.name}")
            await self.release.wait()
            if how == "crash":
                raise ValueError("it crashes")
            await self.stop()

    first = EndsWhenReleased("a", journal, restart=restart)
    last = SlowToStop("z", journal, let_go)
    runtime = Runtime(Supervisor("root", [first, last], backoff="none"), drain_timeout=0)
    await runtime.start()
    await runtime.send("a", 1)
    await journal.until("hold a")
    stopping = asyncio.create_task(runtime.stop())
    await journal.until("stop z")
    first.release.set()
    await journal.until("stop a")  # by itself, while its sibling is being stopped
    let_go.set()
    await stopping
    assert journal.count("start a") == 1


# Trees.


@pytest.mark.promise(id="SEM-420")
async def test_a_tree_is_started_again_as_it_was_written(journal: Journal) -> None:
    first = Supervisor("first", [Actor("a", journal), Actor("b", journal)])
    second = Supervisor("second", max_restarts=1, backoff="none")
    third = Supervisor("third", restart="transient")
    root = Supervisor("root", [first, second, third], strategy="one_for_all", backoff="none")
    async with Runtime(root) as runtime:
        await runtime.terminate_child("root", "third")
        assert (counts(runtime), counts(runtime, "first")) == ([3, 2, 3, 0], [2, 2, 0, 2])
        await runtime.start_child("second", StartsBadly("c", journal, *range(2, 9)))
        await runtime.start_child("second", Actor("d", journal))
        await crash(runtime, "d")
        await journal.until("start d", 2)
        assert (journal.count("start a"), journal.count("start c")) == (1, 1)
        await crash(runtime, "c")
        await journal.until("start b", 2)
        await eventually(lambda: status(runtime, "third") == "running")
        assert counts(runtime) == [3, 3, 3, 0]
        assert counts(runtime, "first") == [2, 2, 0, 2]
        assert counts(runtime, "second") == counts(runtime, "third") == [0, 0, 0, 0]


async def test_several_dynamic_supervisors_stand_beside_each_other(journal: Journal) -> None:
    sessions = [DynamicSupervisor(name, backoff="none") for name in ("one", "two")]
    async with Runtime(Supervisor("root", sessions)) as runtime:
        for name in ("one", "two"):
            await runtime.start_child(name, Actor(f"{name}-a", journal))
        await crash(runtime, "one-a")
        await journal.until("start one-a", 2)
        assert counts(runtime, "one") == counts(runtime, "two") == [1, 1, 0, 1]


# Many, and what is left of them.


@pytest.mark.promise(id="SEM-424")
@pytest.mark.parametrize("supervisor", ["root", "sessions"])
@pytest.mark.parametrize("restart", ["temporary", "permanent"])
async def test_nothing_of_a_child_that_is_forgotten_stays(supervisor: str, restart: str) -> None:
    class Data:
        pass

    class Holds(AgentProcess):
        def __init__(self, name: str, data: Data, restart: str) -> None:
            super().__init__(name, restart=restart)
            self.data = data

        async def handle(self, message: Message) -> None:
            raise ValueError("it crashes")

    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        data = Data()
        kept = weakref.ref(data)
        await runtime.start_child(supervisor, Holds("a", data, restart))
        del data
        if restart == "temporary":
            await crash(runtime, "a")
        else:
            await runtime.terminate_child(supervisor, "a")
            if supervisor == "root":
                await runtime.delete_child(supervisor, "a")
        await eventually(lambda: "a" not in runtime._node.registry)
        await asyncio.sleep(0)
        gc.unfreeze()  # a long collection meanwhile would have left it alone
        gc.collect()
        assert kept() is None


@pytest.mark.promise(id="SEM-460")
@pytest.mark.slow
@pytest.mark.parametrize("supervisor", ["root", "sessions"])
async def test_the_time_of_a_start_and_a_stop_does_not_grow_with_the_number_of_children(
    supervisor: str,
) -> None:
    async def run(runtime: Runtime, number: int) -> float:
        began = time.process_time()
        for n in range(number):
            await runtime.start_child(supervisor, AgentProcess(f"a{n}", restart="temporary"))
        for n in range(number):
            await runtime.terminate_child(supervisor, f"a{n}")
        return time.process_time() - began

    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        few, many = await run(runtime, 200), await run(runtime, 4000)
        assert many < 20 * few * 5  # five times as long as if it were linear
        assert "a0" not in runtime._node.registry
