"""Cases of OTP's and Elixir's own suites that no other test carries; `docs/reference/otp-cases.md` lists them all."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    StartFailed,
    SupervisorGaveUp,
    UnknownAgent,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, DynamicSupervisor, Supervisor
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
    told,
)


def counts(runtime: Runtime, supervisor: str = "root") -> list[int]:
    """Specs, active, supervisors, workers: as OTP's suite writes them."""
    return list(runtime.count_children(supervisor).values())


class EndsAtOnce(Actor):
    """Wants no process: it ends itself in `on_start`."""

    async def on_start(self) -> None:
        await super().on_start()
        await self.stop()


# A start that makes no process.


async def test_a_transient_child_that_ends_itself_in_its_start_is_kept_without_a_process(
    journal: Journal,
) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        await runtime.start_child("root", EndsAtOnce("a", journal, restart="transient"))
        await runtime.start_child("root", Actor("b", journal))
        await eventually(lambda: status(runtime, "a") == "stopped")
        assert [child["name"] for child in runtime.which_children("root")] == ["a", "b"]
        assert counts(runtime) == [2, 1, 0, 2]


@pytest.mark.parametrize("supervisor", ["root", "sessions"])
async def test_a_temporary_child_that_ends_itself_in_its_start_is_not_kept(
    journal: Journal, supervisor: str
) -> None:
    declared = EndsAtOnce("a", journal, restart="temporary")
    async with Runtime(Supervisor("root", [declared, DynamicSupervisor("sessions")])) as runtime:
        await runtime.start_child(supervisor, EndsAtOnce("b", journal, restart="temporary"))
        await runtime.start_child(supervisor, Actor("c", journal))
        await eventually(lambda: not {"a", "b"} & set(runtime._node.registry))
        assert (await runtime.ask("c", 1)).payload == 1


async def test_a_dynamic_child_that_ends_itself_in_a_restart_is_not_kept(journal: Journal) -> None:
    class EndsWhenRestarted(Actor):
        async def on_start(self) -> None:
            await super().on_start()
            if self.journal.count(f"start {self.name}") > 1:
                await self.stop()

    sessions = DynamicSupervisor("sessions", backoff="none")
    async with Runtime(Supervisor("root", [sessions])) as runtime:
        child = EndsWhenRestarted("a", journal, restart="transient")
        await runtime.start_child("sessions", child)
        await crash(runtime, "a")
        await eventually(lambda: runtime.which_children("sessions") == [])
        assert journal.count("start a") == 2


# Child administration.


@pytest.mark.promise(id="SEM-453")
@pytest.mark.promise(id="SEM-454")
@pytest.mark.promise(id="SEM-458")
async def test_the_life_of_a_child(journal: Journal) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        assert (runtime.which_children("root"), counts(runtime)) == ([], [0, 0, 0, 0])
        await runtime.start_child("root", Actor("a", journal))
        assert counts(runtime) == [1, 1, 0, 1]
        assert await reason_of(runtime.delete_child("root", "a")) == "running"
        for _ in range(2):  # ending what is down already is no error
            await runtime.terminate_child("root", "a")
        assert counts(runtime) == [1, 0, 0, 1]
        await runtime.restart_child("root", "a")
        assert (await runtime.ask("a", 1)).payload == 1
        await runtime.terminate_child("root", "a")
        await runtime.delete_child("root", "a")
        assert await reason_of(runtime.restart_child("root", "a")) == "not_found"
        assert (runtime.which_children("root"), counts(runtime)) == ([], [0, 0, 0, 0])
        await runtime.start_child("root", Actor("a", journal))
        assert counts(runtime) == [1, 1, 0, 1]


@pytest.mark.promise(id="SEM-453")
async def test_a_child_whose_restart_by_hand_fails_stays_down(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [StartsBadly("a", journal, 2)])) as runtime:
        await runtime.terminate_child("root", "a")
        with pytest.raises(StartFailed):
            await runtime.restart_child("root", "a")
        assert (status(runtime, "a"), counts(runtime)) == ("stopped", [1, 0, 0, 1])
        assert isinstance(await error_of(runtime.ask("a", 1)), AgentTerminated)


async def test_a_dynamic_supervisor_keeps_no_spec_to_restart_or_delete(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        await runtime.start_child("sessions", Actor("a", journal))
        for call in (runtime.restart_child, runtime.delete_child):
            assert await reason_of(call("sessions", "a")) == "not_found"
        await runtime.terminate_child("sessions", "a")
        assert await reason_of(runtime.terminate_child("sessions", "a")) == "not_found"
        assert counts(runtime, "sessions") == [0, 0, 0, 0]


@pytest.mark.promise(id="SEM-426")
async def test_what_is_taken_is_refused_when_a_supervisor_is_added(journal: Journal) -> None:
    children: list[ChildSpec] = [Actor("a", journal), DynamicSupervisor("sessions")]
    async with Runtime(Supervisor("root", children)) as runtime:
        taken: list[ChildSpec] = [
            DynamicSupervisor("sessions"),
            DynamicSupervisor("root"),
            Supervisor("new", [Actor("b", journal), DynamicSupervisor("a")]),
        ]
        for child in taken:
            assert await reason_of(runtime.start_child("root", child)) == "already_started"
        await runtime.start_child("root", Supervisor("new", [Actor("b", journal)]))
        assert (await runtime.ask("b", 1)).payload == 1


class Forgot(AgentProcess):
    """A subclass that does not call `super().__init__`."""

    def __init__(self) -> None:
        pass

    async def handle(self, message: Message) -> None:
        """Do nothing."""


@pytest.mark.promise(id="SEM-456")
@pytest.mark.parametrize("supervisor", ["root", "sessions"])
@pytest.mark.parametrize("child", ["a", None, AgentProcess, Forgot()])
async def test_what_is_no_child_is_refused_when_it_is_added(supervisor: str, child: Any) -> None:
    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        with pytest.raises(ConfigurationError):
            await runtime.start_child(supervisor, child)
        assert counts(runtime) == [1, 1, 1, 0]


# Restart types.


@pytest.mark.promise(id="SEM-403")
@pytest.mark.parametrize("how", ["stop", "crash"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_a_childs_restart_type_decides_what_its_supervisor_has_afterwards(
    journal: Journal, restart: str, how: str
) -> None:
    root = Supervisor("root", [Actor("a", journal, restart=restart)], backoff="none")
    async with Runtime(root) as runtime:
        events = told(runtime)
        ending = crash(runtime, "a") if how == "crash" else runtime.ask("a", 1, "stop")
        await ending
        if restart == "permanent" or (restart, how) == ("transient", "crash"):
            await eventually(lambda: ("restarted", "a") in events)
            assert counts(runtime) == [1, 1, 0, 1]
        else:
            await eventually(lambda: ("terminated", "a") in events)
            assert counts(runtime) == ([1, 0, 0, 1] if restart == "transient" else [0, 0, 0, 0])


@pytest.mark.promise(id="SEM-407")
@pytest.mark.parametrize(
    ("restart", "expected"),
    [("permanent", [1, 1, 1, 0]), ("transient", [1, 0, 1, 0]), ("temporary", [0, 0, 0, 0])],
)
async def test_a_supervisor_that_gave_up_has_ended_with_reason_shutdown(
    journal: Journal, restart: str, expected: list[int]
) -> None:
    inner = Supervisor("inner", [Actor("a", journal)], max_restarts=0, restart=restart)
    async with Runtime(Supervisor("root", [inner], backoff="none")) as runtime:
        reasons: list[str] = []
        for type in ("restarted", "terminated"):
            runtime.on(type, lambda event: reasons.append(f"{event.name} {event.reason}"))
        await crash(runtime, "a")
        await eventually(lambda: "inner shutdown" in reasons)
        assert counts(runtime) == expected


# Intensity.


@pytest.mark.promise(id="SEM-405")
async def test_restarts_that_are_far_apart_go_on_for_ever(journal: Journal) -> None:
    clock = ManualClock()
    root = Supervisor("root", [Actor("a", journal)], backoff="none", max_restarts=1)
    async with Runtime(root, clock=clock) as runtime:
        for number in range(4):
            await crash(runtime, "a")
            await journal.until("start a", number + 2)
            clock.advance(61)
        assert (await runtime.ask("a", 1)).payload == 1


@pytest.mark.promise(id="SEM-409")
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
async def test_a_child_that_never_starts_again_ends_its_supervisor_and_its_siblings(
    journal: Journal, strategy: str
) -> None:
    children = [Actor("a", journal), StartsBadly("b", journal, *range(2, 100)), Actor("c", journal)]
    root = Supervisor("root", children, strategy=strategy, backoff="none", max_restarts=4)
    runtime = Runtime(root)
    await runtime.start()
    await crash(runtime, "b")
    with pytest.raises(SupervisorGaveUp) as caught:
        await runtime.wait()
    assert (caught.value.child, journal.count("try b")) == ("b", 1 + 4)
    for name in "ac":
        assert journal.count(f"start {name}") == journal.count(f"stop {name}")
    await runtime.stop()


@pytest.mark.promise(id="SEM-410")
async def test_a_child_that_fails_in_a_rest_for_one_restart_leaves_those_before_it_alone(
    journal: Journal,
) -> None:
    children = [Actor("a", journal), StartsBadly("b", journal, 2), Actor("c", journal)]
    root = Supervisor("root", children, strategy="rest_for_one", backoff="none")
    async with Runtime(root) as runtime:
        journal.clear()
        journal.write("try b")  # the next one fails
        await crash(runtime, "a")
        await journal.until("start c")
        starts = [entry for entry in journal if entry.startswith(("start", "try"))]
        assert starts[1:] == ["start a", "try b", "try b", "start b", "start c"]


@pytest.mark.promise(id="SEM-423")
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
async def test_a_temporary_bystander_costs_no_restart(journal: Journal, strategy: str) -> None:
    children = [Actor("a", journal), Actor("b", journal, restart="temporary")]
    root = Supervisor("root", children, strategy=strategy, backoff="none", max_restarts=1)
    async with Runtime(root) as runtime:
        await runtime.ask("a", 1, "stop")
        await journal.until("start a", 2)
        assert (await runtime.ask("a", 1)).payload == 1
        assert [child["name"] for child in runtime.which_children("root")] == ["a"]
        assert isinstance(await error_of(runtime.ask("b", 1)), UnknownAgent)


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
