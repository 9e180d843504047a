"""One system of a topology at a time, and none that a kill leaves half alive."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from civitas.launch import Hold, holder_of
from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Beside = Callable[..., Awaitable[Result]]
Project = Callable[..., Path]

COUNTS = """
print("imported", flush=True)

class Counts(AgentProcess):
    async def on_start(self):
        self.state["n"] = self.state.get("n", 0) + 1
        await self.checkpoint()
        print("started", self.state["n"], flush=True)

    async def handle(self, message):
        return self.reply(self.state["n"])
"""

STATE = "state: {type: sqlite, path: state.db}"


@pytest.mark.promise(id="SEM-810")
async def test_a_second_system_of_a_topology_ends_before_it_imports_anything(
    start: Start, beside: Beside, project: Project
) -> None:
    topology = project(COUNTS, "name: c, type: team.Counts", top=STATE)
    first = await start("run", topology)
    await first.until("ready")
    second = await (await start("run", topology)).end()
    assert (second.code, second.out.strip()) == (1, "")
    (line,) = second.err.splitlines()
    assert line == (
        f"civitas: system 'civitas' is already running (process {first.process.pid}); stop it first"
    )
    asked = await beside("ask", topology, "c", "null")
    assert asked.out.strip() == "1"
    first.signal(signal.SIGTERM)
    assert (await first.end()).code == 0


async def test_a_system_that_is_still_starting_takes_no_questions_and_no_second(
    start: Start, beside: Beside, project: Project
) -> None:
    source = """
    class Slow(AgentProcess):
        async def on_start(self):
            print("starting", flush=True)
            await asyncio.Event().wait()

        async def handle(self, message): ...
    """
    topology = project(source, "name: s, type: team.Slow")
    first = await start("run", topology)
    await first.until("starting")
    asked = await beside("ask", topology, "s", "null")
    assert asked.code == 1
    assert f"is starting or stopping at this moment (process {first.process.pid})" in asked.err
    second = await (await start("run", topology)).end()
    assert second.code == 1
    assert "is already running" in second.err


async def test_after_a_kill_the_next_run_finds_nothing_in_its_way(
    start: Start, beside: Beside, project: Project
) -> None:
    topology = project(COUNTS, "name: c, type: team.Counts", top=STATE)
    for number in (1, 2, 3):
        run = await start("run", topology)
        await run.until(f"started {number}")
        await run.until("ready")
        asked = await beside("ask", topology, "c", "null")
        assert asked.out.strip() == str(number)
        run.signal(signal.SIGKILL)
        await run.end()
        asked = await beside("ask", topology, "c", "null")
        assert "is not running here" in asked.err


async def test_a_child_that_an_agent_forked_is_not_taken_for_the_killed_system(
    start: Start, beside: Beside, project: Project
) -> None:
    source = """
    import os, signal

    class Forks(AgentProcess):
        async def on_start(self):
            child = os.fork()
            if not child:
                os.close(1)
                os.close(2)
                signal.pause()
            print("forked", child, flush=True)

        async def handle(self, message): ...
    """
    topology = project(source, "name: f, type: team.Forks")
    run = await start("run", topology)
    child = int((await run.until("forked")).split()[-1])
    try:
        await run.until("ready")
        run.signal(signal.SIGKILL)
        await run.end()
        asked = await beside("ask", topology, "f", "null")
        assert "is not running here" in asked.err
        again = await start("run", topology)
        other = int((await again.until("forked")).split()[-1])
        os.kill(other, signal.SIGKILL)
        await again.until("ready")
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.promise(id="SEM-1896")
async def test_a_system_that_a_service_runs_is_not_said_to_be_stopped(
    beside: Beside, project: Project
) -> None:
    topology = project(COUNTS, "name: c, type: team.Counts", top=STATE)
    hold = Hold(topology.parent / "state.db-civitas.lock", "it", alone=True)
    await hold.take()  # what the service has, with a state folder of its own
    try:
        asked = await beside("ask", topology, "c", "null")
    finally:
        hold.release()
    assert asked.code == 1
    assert f"runs, but not where this command looks: as process {os.getpid()}. Run" in asked.err
    assert "XDG_STATE_HOME" in asked.err


@pytest.mark.promise(id="SEM-1896")
def test_a_lock_of_another_user_is_told_without_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lock"
    file.write_text("17")

    def closed(file: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr("civitas.launch.hold.is_held", closed)
    assert holder_of(file) == ("", os.getuid())
    assert holder_of(tmp_path / "none") is None
