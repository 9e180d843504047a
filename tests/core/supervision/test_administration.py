"""Children that are added, stopped, started and forgotten at run time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    ConfigurationError,
    HandlerFailed,
    StartFailed,
    SupervisionError,
    UnknownAgent,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, DynamicSupervisor, Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually, status


@pytest.fixture
def journal() -> Journal:
    return Journal()


class Spawner(AgentProcess):
    """Spawns and ends actors as it is told."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__(name)
        self.journal = journal

    async def handle(self, message: Message) -> Message:
        name, options = message.payload
        if message.type == "terminate":
            return self.reply(await self.terminate(name))
        return self.reply(await self.spawn(Actor, name, self.journal, **options))


def dynamic(journal: Journal, **keywords: Any) -> Runtime:
    sessions = DynamicSupervisor("sessions", backoff="none", **keywords)
    children: list[ChildSpec] = [Spawner("spawner", journal), sessions]
    return Runtime(Supervisor("root", children, backoff="none"), drain_timeout=5)


async def reason_of(awaitable: Any) -> str:
    error = await error_of(awaitable)
    assert isinstance(error, SupervisionError)
    return error.reason


# A supervisor's own children: OTP's calls.


async def test_a_child_can_be_added_and_stands_at_the_end(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        await runtime.start_child("root", Actor("b", journal))
        assert (await runtime.ask("b", 1)).payload == 1
        assert [child["name"] for child in runtime.which_children("root")] == ["a", "b"]
    assert journal == ["start a", "start b", "stop b", "stop a"]


async def test_an_added_child_is_supervised(journal: Journal) -> None:
    async with Runtime(Supervisor("root", backoff="none")) as runtime:
        await runtime.start_child("root", Actor("b", journal))
        await crash(runtime, "b")
        assert (await runtime.ask("b", 1)).payload == 1


async def test_a_supervisor_can_be_added_with_its_children(journal: Journal) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        await runtime.start_child("root", Supervisor("inner", [Actor("a", journal)]))
        assert (await runtime.ask("a", 1)).payload == 1


async def test_a_child_that_does_not_start_is_not_added(journal: Journal) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        with pytest.raises(StartFailed):
            await runtime.start_child("root", Actor("a", journal, fail_starts=1))
        assert runtime.which_children("root") == []
        assert isinstance(await error_of(runtime.ask("a", 1)), UnknownAgent)


async def test_what_the_calls_refuse_has_otps_reasons(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("b", journal)])
    async with Runtime(Supervisor("root", [Actor("a", journal), inner])) as runtime:
        assert (
            await reason_of(runtime.start_child("root", Actor("a", journal))) == "already_started"
        )
        assert (
            await reason_of(runtime.start_child("root", Actor("b", journal))) == "already_started"
        )
        assert await reason_of(runtime.restart_child("root", "a")) == "running"
        assert await reason_of(runtime.delete_child("root", "a")) == "running"
        for call in (runtime.terminate_child, runtime.restart_child, runtime.delete_child):
            assert await reason_of(call("root", "nobody")) == "not_found"
        assert await reason_of(runtime.terminate_child("rot", "a")) == "not_found"
        await runtime.terminate_child("root", "a")
        assert (
            await reason_of(runtime.start_child("root", Actor("a", journal))) == "already_present"
        )


async def test_a_child_in_backoff_is_restarting_and_can_be_terminated(journal: Journal) -> None:
    root = Supervisor("root", [Actor("a", journal)], backoff="constant", backoff_base=60)
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        assert await reason_of(runtime.restart_child("root", "a")) == "restarting"
        assert await reason_of(runtime.delete_child("root", "a")) == "restarting"
        await runtime.terminate_child("root", "a")
        assert status(runtime, "a") == "stopped"


async def test_a_terminated_child_keeps_its_spec_and_can_be_started_again(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        await runtime.terminate_child("root", "a")
        assert isinstance(await error_of(runtime.ask("a", 1)), AgentTerminated)
        assert runtime.count_children("root") == {
            "specs": 1,
            "active": 0,
            "supervisors": 0,
            "workers": 1,
        }
        await runtime.restart_child("root", "a")
        assert (await runtime.ask("a", 1)).payload == 1


async def test_a_deleted_child_is_unknown(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        await runtime.terminate_child("root", "a")
        await runtime.delete_child("root", "a")
        assert isinstance(await error_of(runtime.ask("a", 1)), UnknownAgent)


async def test_a_temporary_child_is_forgotten_when_it_is_terminated(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal, restart="temporary")])) as runtime:
        await runtime.terminate_child("root", "a")
        assert runtime.which_children("root") == []


async def test_a_terminated_child_comes_back_with_a_group_restart(journal: Journal) -> None:
    children = [Actor("a", journal), Actor("b", journal)]
    root = Supervisor("root", children, strategy="one_for_all", backoff="none")
    async with Runtime(root) as runtime:
        await runtime.terminate_child("root", "a")
        await crash(runtime, "b")
        await journal.until("start b", 2)
        assert (await runtime.ask("a", 1)).payload == 1


async def test_an_operator_can_restart_an_agent_without_it_counting_as_a_crash(
    journal: Journal,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)], max_restarts=0)) as runtime:
        for _ in range(3):
            await runtime.restart("a")
        assert journal.count("start a") == 4
        assert (await runtime.ask("a", 1)).payload == 1
        assert await reason_of(runtime.restart("root")) == "not_found"


async def test_an_operator_can_restart_a_supervisor(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("b", journal)])
    async with Runtime(Supervisor("root", [inner])) as runtime:
        await runtime.restart("inner")
        assert journal[2:] == ["stop b", "stop a", "start a", "start b"]


# Dynamic supervisors.


async def test_spawn_starts_an_agent_under_the_nearest_dynamic_supervisor(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        assert (await runtime.ask("spawner", ["s1", {}])).payload == "s1"
        assert (await runtime.ask("s1", "there")).payload == "there"
        assert runtime.which_children("sessions") == [
            {"name": "s1", "kind": "agent", "status": "running"}
        ]


async def test_the_nearest_is_a_sibling_and_else_one_further_up(journal: Journal) -> None:
    near = Supervisor("near", [Spawner("one", journal), DynamicSupervisor("beside")])
    far = Supervisor("far", [Supervisor("deep", [Spawner("two", journal)])])
    async with Runtime(Supervisor("root", [near, far, DynamicSupervisor("above")])) as runtime:
        await runtime.ask("one", ["a", {}])
        await runtime.ask("two", ["b", {}])
        await runtime.ask("two", ["c", {"supervisor": "beside"}])
        assert [child["name"] for child in runtime.which_children("beside")] == ["a", "c"]
        assert [child["name"] for child in runtime.which_children("above")] == ["b"]


async def test_without_a_dynamic_supervisor_spawn_says_what_to_add(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Spawner("spawner", journal)])) as runtime:
        error = await error_of(runtime.ask("spawner", ["a", {}]))
        assert isinstance(error, HandlerFailed)
        assert 'add DynamicSupervisor("sessions")' in error.error_message


async def test_a_spawned_agent_is_restarted_and_keeps_its_arguments(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.ask("spawner", ["s1", {}])
        await crash(runtime, "s1")
        assert (await runtime.ask("s1", 1)).payload == 1
        assert journal == ["start s1", "stop s1", "start s1"]


async def test_terminate_ends_a_spawned_agent_and_its_name(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.ask("spawner", ["s1", {}])
        assert (await runtime.ask("spawner", ["s1", {}], "terminate")).payload is True
        assert isinstance(await error_of(runtime.ask("s1", 1)), UnknownAgent)
        assert (await runtime.ask("spawner", ["s1", {}], "terminate")).payload is False


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


async def test_max_children_bounds_them(journal: Journal) -> None:
    async with dynamic(journal, max_children=1) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal))
        assert (
            await reason_of(runtime.start_child("sessions", Actor("s2", journal))) == "max_children"
        )


async def test_a_name_that_is_taken_anywhere_is_already_started(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        for name in ("spawner", "root", "sessions"):
            taken = runtime.start_child("sessions", Actor(name, journal))
            assert await reason_of(taken) == "already_started"


async def test_a_transient_spawned_agent_that_ends_is_forgotten(journal: Journal) -> None:
    async with dynamic(journal) as runtime:
        await runtime.start_child("sessions", Actor("s1", journal, restart="transient"))
        await runtime.ask("s1", 1, "stop")
        await eventually(lambda: runtime.which_children("sessions") == [])


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
