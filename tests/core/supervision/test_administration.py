"""Children that are added, stopped, started and forgotten at run time."""

from __future__ import annotations

import asyncio
import os

import pytest

from civitas.errors import AgentTerminated, StartFailed, UnknownAgent
from civitas.runtime import Runtime
from civitas.supervision import ChildSpec, Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually, reason_of, status

# A supervisor's own children: OTP's calls.


@pytest.mark.promise(id="SEM-451")
@pytest.mark.promise(id="SEM-458")
async def test_a_child_can_be_added_and_stands_at_the_end(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        await runtime.start_child("root", Actor("b", journal))
        assert (await runtime.ask("b", 1)).payload == 1
        assert [child["name"] for child in runtime.which_children("root")] == ["a", "b"]
    assert journal == ["start a", "start b", "stop b", "stop a"]


@pytest.mark.promise(id="SEM-1474")
async def test_what_is_down_has_no_pid(journal: Journal) -> None:
    def pids() -> list[int | None]:
        return [child["pid"] for child in runtime.tree()["children"]]

    children: list[ChildSpec] = [
        Actor("a", journal),
        Supervisor("inner", [Actor("b", journal)]),
    ]
    root = Supervisor("root", children, backoff="constant", backoff_base=60)
    async with Runtime(root) as runtime:
        assert pids() == [os.getpid()] * 2
        await crash(runtime, "a")
        await eventually(lambda: pids()[0] is None)
        await runtime.terminate_child("root", "inner")
        assert pids() == [None, None]
        seen = {each["name"]: each["pid"] for each in (await runtime.overview())["agents"]}
        assert seen == {"root": os.getpid(), "a": None, "inner": None, "b": None}
        await runtime.restart("a")
        await runtime.restart_child("root", "inner")
        assert pids() == [os.getpid()] * 2


@pytest.mark.promise(id="SEM-451")
async def test_an_added_child_is_supervised(journal: Journal) -> None:
    async with Runtime(Supervisor("root", backoff="none")) as runtime:
        await runtime.start_child("root", Actor("b", journal))
        await crash(runtime, "b")
        assert (await runtime.ask("b", 1)).payload == 1


async def test_a_supervisor_can_be_added_with_its_children(journal: Journal) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        await runtime.start_child("root", Supervisor("inner", [Actor("a", journal)]))
        assert (await runtime.ask("a", 1)).payload == 1


@pytest.mark.promise(id="SEM-451")
async def test_a_child_that_does_not_start_is_not_added(journal: Journal) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        with pytest.raises(StartFailed):
            await runtime.start_child("root", Actor("a", journal, fail_starts=1))
        assert runtime.which_children("root") == []
        assert isinstance(await error_of(runtime.ask("a", 1)), UnknownAgent)


@pytest.mark.promise(id="SEM-461")
async def test_a_child_whose_start_is_cancelled_is_stopped_and_forgotten(journal: Journal) -> None:
    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await asyncio.Event().wait()

    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        inner = Supervisor("inner", [Actor("b", journal), Slow("c", journal)])
        starting = asyncio.create_task(runtime.start_child("root", inner))
        behind = asyncio.create_task(runtime.start_child("root", Actor("d", journal)))
        await journal.until("starting")
        behind.cancel()
        starting.cancel()
        await asyncio.wait({starting, behind})
        assert starting.cancelled()
        assert behind.cancelled()
        assert [child["name"] for child in runtime.which_children("root")] == ["a"]
        await runtime.start_child("root", Actor("b", journal))
        assert (await runtime.ask("b", 1)).payload == 1
    assert "start d" not in journal


@pytest.mark.promise(id="SEM-461")
async def test_a_start_that_is_cancelled_in_the_moment_it_is_done_is_undone_too(
    journal: Journal,
) -> None:
    async with Runtime(Supervisor("root")) as runtime:
        starting = asyncio.create_task(runtime.start_child("root", Actor("a", journal)))
        runtime.on("started", lambda event: event.name == "a" and starting.cancel())
        await asyncio.wait({starting})
        assert starting.cancelled()
        assert runtime.which_children("root") == []
    assert journal == ["start a", "stop a"]


async def test_a_stop_meets_a_start_that_is_being_cancelled(journal: Journal) -> None:
    class Slow(Actor):
        async def on_start(self) -> None:
            self.journal.write("starting")
            await asyncio.Event().wait()

    async with Runtime(Supervisor("root")) as runtime:
        starting = asyncio.create_task(runtime.start_child("root", Slow("a", journal)))
        await journal.until("starting")
        starting.cancel()
        stopping = asyncio.create_task(runtime.stop())
        await asyncio.wait_for(asyncio.gather(stopping, starting, return_exceptions=True), 5)


@pytest.mark.promise(id="SEM-455")
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


@pytest.mark.promise(id="SEM-455")
async def test_a_child_in_backoff_is_restarting_and_can_be_terminated(journal: Journal) -> None:
    root = Supervisor("root", [Actor("a", journal)], backoff="constant", backoff_base=60)
    async with Runtime(root) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: status(runtime, "a") == "restarting")
        assert await reason_of(runtime.restart_child("root", "a")) == "restarting"
        assert await reason_of(runtime.delete_child("root", "a")) == "restarting"
        await runtime.terminate_child("root", "a")
        assert status(runtime, "a") == "stopped"


@pytest.mark.promise(id="SEM-207")
@pytest.mark.promise(id="SEM-452")
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


@pytest.mark.promise(id="SEM-454")
async def test_a_deleted_child_is_unknown(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)])) as runtime:
        await runtime.terminate_child("root", "a")
        await runtime.delete_child("root", "a")
        assert isinstance(await error_of(runtime.ask("a", 1)), UnknownAgent)


@pytest.mark.promise(id="SEM-452")
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


@pytest.mark.promise(id="SEM-457")
async def test_an_operator_can_restart_an_agent_without_it_counting_as_a_crash(
    journal: Journal,
) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal)], max_restarts=0)) as runtime:
        for _ in range(3):
            await runtime.restart("a")
        assert journal.count("start a") == 4
        assert (await runtime.ask("a", 1)).payload == 1
        assert await reason_of(runtime.restart("root")) == "not_found"


@pytest.mark.promise(id="SEM-457")
async def test_an_operator_can_restart_a_supervisor(journal: Journal) -> None:
    inner = Supervisor("inner", [Actor("a", journal), Actor("b", journal)])
    async with Runtime(Supervisor("root", [inner])) as runtime:
        await runtime.restart("inner")
        assert journal[2:] == ["stop b", "stop a", "start a", "start b"]
