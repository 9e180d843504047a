"""Children that end: by themselves, in time, too late, and badly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from civitas.errors import (
    AgentTerminated,
    SupervisorGaveUp,
    UnknownAgent,
)
from civitas.message import Message
from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.support import Actor, Journal, crash, error_of, eventually, status


def family(journal: Journal, names: str, **keywords: Any) -> list[Actor]:
    return [Actor(name, journal, **keywords) for name in names]


def tree(journal: Journal, names: str = "abc", **keywords: Any) -> Supervisor:
    keywords.setdefault("backoff", "none")
    return Supervisor("root", family(journal, names), **keywords)


def names(runtime: Runtime) -> list[str]:
    return [child["name"] for child in runtime.tree()["children"]]


@pytest.mark.promise(id="SEM-304")
async def test_a_transient_child_that_ends_normally_is_not_started_again(journal: Journal) -> None:
    async with Runtime(Supervisor("root", [Actor("a", journal, restart="transient")])) as runtime:
        assert (await runtime.ask("a", 1, "stop")).payload == 1
        await journal.until("stop a")
        assert isinstance(await error_of(runtime.ask("a", 1)), AgentTerminated)
        assert status(runtime, "a") == "stopped"


@pytest.mark.promise(id="SEM-304")
async def test_a_permanent_child_that_ends_normally_is_started_again(journal: Journal) -> None:
    async with Runtime(tree(journal, "a")) as runtime:
        await runtime.ask("a", 1, "stop")
        await journal.until("start a", 2)
        assert (await runtime.ask("a", 2)).payload == 2


@pytest.mark.promise(id="SEM-423")
async def test_a_temporary_child_that_crashes_is_gone_with_its_name(journal: Journal) -> None:
    children = [Actor("a", journal, restart="temporary"), Actor("b", journal)]
    async with Runtime(Supervisor("root", children)) as runtime:
        await crash(runtime, "a")
        await eventually(lambda: names(runtime) == ["b"])
        assert isinstance(await error_of(runtime.ask("a", 1)), UnknownAgent)


@pytest.mark.promise(id="SEM-423")
async def test_a_group_restart_does_not_bring_a_temporary_sibling_back(journal: Journal) -> None:
    children = [Actor("a", journal), Actor("b", journal, restart="temporary")]
    async with Runtime(
        Supervisor("root", children, strategy="one_for_all", backoff="none")
    ) as runtime:
        await crash(runtime, "a")
        await journal.until("start a", 2)
        assert names(runtime) == ["a"]


@pytest.mark.promise(id="SEM-415")
async def test_a_child_that_does_not_end_in_time_is_cancelled_and_not_told_to_stop(
    journal: Journal,
) -> None:
    runtime = Runtime(
        Supervisor("root", [Actor("a", journal, shutdown_timeout=0.02)]), drain_timeout=0
    )
    await runtime.start()
    asking = asyncio.create_task(error_of(runtime.ask("a", 1, "hold")))
    await journal.until("hold a")
    await runtime.stop()
    assert isinstance(await asking, AgentTerminated)
    assert "stop a" not in journal


@pytest.mark.promise(id="SEM-416")
async def test_a_child_that_ignores_cancellation_does_not_hang_its_supervisor(
    journal: Journal,
) -> None:
    let_go = asyncio.Event()

    class Stubborn(AgentProcess):
        async def handle(self, message: Message) -> None:
            journal.write("in")
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    journal.write("ignored")

    runtime = Runtime(Supervisor("root", [Stubborn("a", shutdown_timeout=0)]), drain_timeout=0)
    await runtime.start()
    await runtime.send("a", 1)
    await journal.until("in")
    async with asyncio.timeout(5):
        await runtime.stop()
    assert "ignored" in journal
    let_go.set()
    await eventually(lambda: "civitas:a" not in {task.get_name() for task in asyncio.all_tasks()})


@pytest.mark.promise(id="SEM-417")
async def test_a_crash_in_on_stop_still_ends_the_child_and_its_siblings(journal: Journal) -> None:
    class BadStop(Actor):
        async def on_stop(self) -> None:
            await super().on_stop()
            raise RuntimeError("cannot stop")

    async with Runtime(Supervisor("root", [Actor("a", journal), BadStop("b", journal)])):
        pass
    assert journal[2:] == ["stop b", "stop a"]


@pytest.mark.promise(id="SEM-406")
async def test_the_supervisor_counts_a_crash_of_each_child_in_one_window(journal: Journal) -> None:
    runtime = Runtime(tree(journal, "ab", max_restarts=1))
    await runtime.start()
    await crash(runtime, "a")
    await crash(runtime, "b")
    with pytest.raises(SupervisorGaveUp):
        await runtime.wait()
    await runtime.stop()
