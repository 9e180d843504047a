"""Cases of OTP's and Elixir's own suites that no other test carries; `docs/reference/otp-cases.md` lists them all."""

from __future__ import annotations

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
