"""How `civitas run` ends when it is told to by a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from civitas.cli.signals import StopSignals
from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Civitas = Callable[..., Result]

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.mark.promise(id="SEM-801")
async def test_the_first_signal_lets_the_work_in_hand_be_finished(
    start: Start, project: Project
) -> None:
    source = """
    class Worker(AgentProcess):
        async def on_start(self):
            await self.send(self.name, {})
            await self.send(self.name, {})

        async def handle(self, message):
            print("working", flush=True)
            await asyncio.sleep(0.2)
            print("worked", flush=True)

        async def on_stop(self):
            print("cleaned up", flush=True)
    """
    run = await start("run", project(source, "name: w, type: team.Worker"))
    await run.until("working")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert done.code == 0
    assert done.out.count("worked") == 2
    assert "cleaned up" in done.out


@pytest.mark.promise(id="SEM-1895")
async def test_a_terminal_that_closes_lets_the_work_in_hand_be_finished(
    start: Start, project: Project
) -> None:
    source = """
    class Worker(AgentProcess):
        async def on_start(self):
            await self.send(self.name, {})

        async def handle(self, message):
            print("working", flush=True)
            await asyncio.sleep(0.2)
            print("worked", flush=True)
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    try:
        run = await start("run", project(source, "name: w, type: team.Worker"))
    finally:
        signal.signal(signal.SIGHUP, before)
    await run.until("working")
    run.signal(signal.SIGHUP)
    await run.until("stopping   SIGHUP")
    run.signal(signal.SIGHUP)  # one comes from the kernel, and one from the shell
    done = await run.end()
    assert done.code == 0
    assert "worked" in done.out


@pytest.mark.promise(id="SEM-1895")
def test_a_program_under_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals(lambda number, loop: None):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.promise(id="SEM-802")
@BOTH
async def test_a_second_signal_stops_at_once(
    start: Start, project: Project, number: signal.Signals
) -> None:
    source = """
    class Clings(AgentProcess):
        async def on_stop(self):
            print("on_stop runs", flush=True)
            await asyncio.Event().wait()

        async def handle(self, message): ...
    """
    run = await start("run", project(source, "name: c, type: team.Clings, shutdown_timeout: null"))
    await run.until("ready")
    run.signal(number)
    await run.until("on_stop runs")
    run.signal(number)
    assert (await run.end()).code == 128 + number


@pytest.mark.promise(id="SEM-802")
async def test_a_second_signal_stops_a_program_whose_event_loop_is_stuck(
    start: Start, project: Project
) -> None:
    source = """
    class Stuck(AgentProcess):
        async def on_start(self):
            self.send_after(0.1, self.name, {})

        async def handle(self, message):
            print("stuck", flush=True)
            while True:
                time.sleep(600)
    """
    run = await start("run", project(source, "name: s, type: team.Stuck"))
    await run.until("stuck")
    while run.process.returncode is None:  # two signals in the same instant are one
        run.signal(signal.SIGTERM)
        await asyncio.wait({asyncio.ensure_future(run.process.wait())}, timeout=0.05)
    assert (await run.end()).code == 128 + signal.SIGTERM


@pytest.mark.promise(id="SEM-818")
async def test_a_blocked_event_loop_is_told_of_the_stop_at_once_and_ended_in_time(
    start: Start, project: Project
) -> None:
    source = """
    class Stuck(AgentProcess):
        async def on_start(self):
            self.send_after(0.1, self.name, {})

        async def handle(self, message):
            print("stuck", flush=True)
            time.sleep(3600)
    """
    topology = project(
        source,
        "name: s, type: team.Stuck, shutdown_timeout: 0.1",
        top="runtime: {drain_timeout: 0.1}",
    )
    run = await start("run", topology)
    await run.until("stuck")
    run.signal(signal.SIGTERM)
    await run.until("stopping   SIGTERM")
    done = await run.end()
    assert done.code == 1
    assert "the event loop has been blocked by 's' for 3 s" in done.err
    assert "time.sleep(3600)" in done.err


async def test_a_signal_during_the_start_stops_what_has_started(
    start: Start, project: Project
) -> None:
    source = """
    class First(AgentProcess):
        async def on_stop(self):
            print("first stopped", flush=True)

        async def handle(self, message): ...

    class Slow(AgentProcess):
        async def on_start(self):
            print("starting", flush=True)
            await asyncio.Event().wait()

        async def handle(self, message): ...
    """
    run = await start(
        "run", project(source, "name: a, type: team.First", "name: b, type: team.Slow")
    )
    await run.until("starting")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert done.code == 0
    assert "first stopped" in done.out
    assert "ready" not in done.out


async def test_a_thread_that_is_stuck_does_not_keep_the_program(
    start: Start, project: Project
) -> None:
    source = """
    class Blocks(AgentProcess):
        async def on_start(self):
            await self.send(self.name, {})

        def handle(self, message):
            print("blocked", flush=True)
            threading.Event().wait()
    """
    topology = project(
        source,
        "name: b, type: team.Blocks, shutdown_timeout: 0.1",
        top="runtime: {drain_timeout: 0.1}",
    )
    run = await start("run", topology)
    await run.until("blocked")
    run.signal(signal.SIGTERM)
    assert (await run.end()).code == 0
