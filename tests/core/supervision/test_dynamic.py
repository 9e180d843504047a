"""Dynamic supervisors: children that are spawned and end, each for itself."""

from __future__ import annotations

import asyncio

import pytest

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    HandlerFailed,
    StartFailed,
    UnknownAgent,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import DynamicSupervisor, Supervisor
from tests.core.supervision.cast import Spawner, dynamic
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


@pytest.mark.promise(id="SEM-501")
async def test_spawn_starts_an_agent_under_the_nearest_dynamic_supervisor(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        assert (await runtime.ask("spawner", ["s1", {}])).payload == "s1"
        assert (await runtime.ask("s1", "there")).payload == "there"
        assert runtime.which_children("sessions") == [
            {"name": "s1", "kind": "agent", "status": "running"}
        ]


@pytest.mark.promise(id="SEM-501")
async def test_the_nearest_is_a_sibling_and_else_one_further_up(journal: Journal) -> None:
    near = Supervisor("near", [Spawner("one", journal), DynamicSupervisor("beside")])
    far = Supervisor("far", [Supervisor("deep", [Spawner("two", journal)])])
    async with Runtime(Supervisor("root", [near, far, DynamicSupervisor("above")])) as runtime:
        await runtime.ask("one", ["a", {}])
        await runtime.ask("two", ["b", {}])
        await runtime.ask("two", ["c", {"supervisor": "beside"}])
        assert [child["name"] for child in runtime.which_children("beside")] == ["a", "c"]
        assert [child["name"] for child in runtime.which_children("above")] == ["b"]


@pytest.mark.promise(id="SEM-502")
async def test_without_a_dynamic_supervisor_spawn_says_what_to_add(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Spawner("spawner", journal)])) as runtime:
        error = await error_of(runtime.ask("spawner", ["a", {}]))
        assert isinstance(error, HandlerFailed)
        assert 'add DynamicSupervisor("sessions")' in error.error_message


@pytest.mark.promise(id="SEM-505")
async def test_a_spawned_agent_is_restarted_and_keeps_its_arguments(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.ask("spawner", ["s1", {}])
        await crash(runtime, "s1")
        assert (await runtime.ask("s1", 1)).payload == 1
        assert journal == ["start s1", "stop s1", "start s1"]


@pytest.mark.promise(id="SEM-503")
async def test_terminate_ends_a_spawned_agent_and_its_name(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.ask("spawner", ["s1", {}])
        assert (await runtime.ask("spawner", ["s1", {}], "terminate")).payload is True
        assert isinstance(await error_of(runtime.ask("s1", 1)), UnknownAgent)
        assert (await runtime.ask("spawner", ["s1", {}], "terminate")).payload is False


@pytest.mark.promise(id="SEM-503")
async def test_an_agent_that_was_not_spawned_is_not_terminated_by_another(journal: Journal) -> None:
    children = [Spawner("spawner", journal), Actor("a", journal)]
    async with Runtime(Supervisor("root", children)) as runtime:
        error = await error_of(runtime.ask("spawner", ["a", {}], "terminate"))
        assert isinstance(error, HandlerFailed)
        assert error.error_type == "SupervisionError"


async def test_a_spawned_agent_may_terminate_itself(journal: Journal) -> None:
    class Ends(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply(await self.terminate(self.name))

    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", Ends("e"))
        assert (await runtime.ask("e", 1)).payload is True
        await eventually(lambda: runtime.which_children("sessions") == [])


@pytest.mark.promise(id="SEM-504")
async def test_max_children_bounds_them(journal: Journal) -> None:
    async with dynamic(journal, max_children=1) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        assert (
            await reason_of(runtime.start_child("sessions", Actor("s2", journal))) == "max_children"
        )


@pytest.mark.promise(id="SEM-502")
async def test_a_name_that_is_taken_anywhere_is_already_started(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        for name in ("spawner", "root", "sessions"):
            taken = runtime.start_child("sessions", Actor(name, journal))
            assert await reason_of(taken) == "already_started"


@pytest.mark.promise(id="SEM-505")
async def test_a_transient_spawned_agent_that_ends_is_forgotten(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal, restart="transient"))
        await runtime.ask("s1", 1, "stop")
        await eventually(lambda: runtime.which_children("sessions") == [])


@pytest.mark.promise(id="SEM-507")
async def test_a_dynamic_supervisor_that_gives_up_is_started_again_without_children(
    journal: Journal,
) -> None:
    async with dynamic(journal, max_restarts=0) as runtime:
        for name in ("s1", "s2"):
            await runtime.start_child("sessions", Actor(name, journal))
        await crash(runtime, "s1")
        await eventually(lambda: runtime.tree()["children"][1]["restarts"] == 1)
        assert runtime.which_children("sessions") == []
        assert "stop s2" in journal
        await runtime.start_child("sessions", Actor("s3", journal))
        assert (await runtime.ask("s3", 1)).payload == 1


@pytest.mark.promise(id="SEM-506")
async def test_a_slow_start_of_one_child_delays_no_other(journal: Journal) -> None:
    started = asyncio.Event()

    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("slow")
            await started.wait()

    async with dynamic(journal) as runtime:
        slow = asyncio.create_task(runtime.start_child("sessions", Slow("slow", journal)))
        await journal.until("slow")
        await runtime.start_child("sessions", Actor("quick", journal))
        assert (await runtime.ask("quick", 1)).payload == 1
        started.set()
        await slow


@pytest.mark.promise(id="SEM-456")
async def test_a_dynamic_supervisor_takes_agents_only(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        with pytest.raises(ConfigurationError, match="are agents"):
            await runtime.start_child("sessions", Supervisor("inner"))


async def test_messages_for_a_spawned_agent_that_restarts_wait(journal: Journal) -> None:
    sessions = DynamicSupervisor("sessions", backoff="constant", backoff_base=0.02)
    async with Runtime(Supervisor("root", [sessions])) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        await crash(runtime, "s1")
        await eventually(lambda: status(runtime, "s1") == "restarting")
        assert (await runtime.ask("s1", "waited")).payload == "waited"


# Restarts.


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, asyncio.CancelledError])
async def test_a_child_that_does_not_start_is_not_kept_whatever_it_raises(
    journal: Journal, error: type[BaseException]
) -> None:
    async with dynamic(journal) as runtime:
        with pytest.raises(StartFailed) as caught:
            await runtime.start_child("sessions", StartsBadly("s1", journal, 1, error=error))
        assert error.__name__ in str(caught.value)
        assert runtime.which_children("sessions") == []
        assert isinstance(await error_of(runtime.ask("s1", 1)), UnknownAgent)


@pytest.mark.promise(id="SEM-505")
@pytest.mark.parametrize("how", ["stop", "crash"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_the_restart_type_decides_what_follows_an_end(
    journal: Journal, restart: str, how: str
) -> None:
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal, restart=restart))
        await (crash(runtime, "s1") if how == "crash" else runtime.ask("s1", 1, "stop"))
        if restart == "permanent" or (restart == "transient" and how == "crash"):
            await journal.until("start s1", 2)
            assert (await runtime.ask("s1", 1)).payload == 1
        else:
            await eventually(lambda: runtime.which_children("sessions") == [])
            assert isinstance(await error_of(runtime.ask("s1", 1)), UnknownAgent)


async def test_a_restart_that_fails_is_tried_again(journal: Journal) -> None:
    async with dynamic(journal, max_restarts=2) as runtime:
        await runtime.start_child("sessions", StartsBadly("s1", journal, 2))
        await crash(runtime, "s1")
        assert (await runtime.ask("s1", 1)).payload == 1
        assert journal.count("try s1") == 3


@pytest.mark.promise(id="SEM-507")
async def test_restarts_that_fail_end_in_a_give_up(journal: Journal) -> None:
    async with dynamic(journal, max_restarts=10) as runtime:
        events = told(runtime)
        await runtime.start_child("sessions", StartsBadly("s1", journal, *range(2, 100)))
        await crash(runtime, "s1")
        await eventually(lambda: ("restarted", "sessions") in events)
        assert journal.count("try s1") == 1 + 10
        assert events.count(("gave_up", "sessions")) == 1


@pytest.mark.promise(id="SEM-458")
async def test_a_child_in_backoff_counts_as_a_child_but_not_as_active(journal: Journal) -> None:
    sessions = DynamicSupervisor("sessions", 1, backoff="constant", backoff_base=60)
    async with Runtime(Supervisor("root", [sessions])) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        await crash(runtime, "s1")
        await eventually(lambda: status(runtime, "s1") == "restarting")
        counts = {"specs": 1, "active": 0, "supervisors": 0, "workers": 1}
        assert runtime.count_children("sessions") == counts
        refused = await reason_of(runtime.start_child("sessions", Actor("s2", journal)))
        assert refused == "max_children"


async def test_a_child_in_backoff_can_be_terminated(journal: Journal) -> None:
    sessions = DynamicSupervisor("sessions", backoff="constant", backoff_base=60)
    async with Runtime(Supervisor("root", [sessions])) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        await crash(runtime, "s1")
        await eventually(lambda: status(runtime, "s1") == "restarting")
        asking = asyncio.create_task(error_of(runtime.ask("s1", 1)))
        await asyncio.sleep(0)
        await runtime.terminate_child("sessions", "s1")
        assert isinstance(await asking, AgentTerminated)
        assert await reason_of(runtime.terminate_child("sessions", "s1")) == "not_found"


# Ends.


@pytest.mark.promise(id="SEM-415")
@pytest.mark.parametrize(
    ("shutdown_timeout", "told_to_stop"), [(0, False), (0.01, False), (30, True), (None, True)]
)
@pytest.mark.parametrize("how", ["terminate_child", "stop"])
async def test_each_child_gets_its_shutdown_timeout(
    journal: Journal, shutdown_timeout: float | None, told_to_stop: bool, how: str
) -> None:
    busy = Actor("busy", journal, shutdown_timeout=shutdown_timeout)
    runtime = Runtime(Supervisor("root", [DynamicSupervisor("sessions")]), drain_timeout=0)
    await runtime.start()
    await runtime.start_child("sessions", busy)
    await runtime.start_child("sessions", Actor("idle", journal))
    asking = asyncio.create_task(runtime.ask("busy", 1, "hold"))
    await journal.until("hold busy")
    ending = asyncio.create_task(
        runtime.stop() if how == "stop" else runtime.terminate_child("sessions", "busy")
    )
    if told_to_stop:
        await eventually(
            lambda: busy._civitas_incarnation is not None and busy._civitas_incarnation.now.end
        )
        busy.release.set()
        assert (await asking).payload == 1
    else:
        assert isinstance(await error_of(asking), AgentTerminated)
    await ending
    await runtime.stop()
    assert ("stop busy" in journal) is told_to_stop
    assert "stop idle" in journal


@pytest.mark.promise(id="SEM-506")
async def test_the_children_stop_beside_each_other(journal: Journal) -> None:
    both = asyncio.Barrier(2)

    class Meets(Actor):
        async def on_stop(self) -> None:
            await both.wait()

    async with Runtime(Supervisor("root", [DynamicSupervisor("sessions")])) as runtime:
        for name in ("s1", "s2"):
            await runtime.start_child("sessions", Meets(name, journal))
