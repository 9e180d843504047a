"""`civitas run`, as a process of its own with real signals."""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running

Start = Callable[..., Awaitable[Running]]
Project = Callable[..., Path]
Civitas = Callable[..., Result]

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])

IDLE = """
class Idle(AgentProcess):
    async def handle(self, message):
        pass
"""

# Crashes once for each message it gets, and asks itself for `times` of them.
CRASHER = """
class Crasher(AgentProcess):
    left = None

    def __init__(self, name, *, times, **keywords):
        super().__init__(name, **keywords)
        self.times = times

    async def on_start(self):
        if Crasher.left is None:
            Crasher.left = self.times
        if Crasher.left:
            Crasher.left -= 1
            await self.send(self.name, {})

    async def handle(self, message):
        raise ValueError("too hot")
"""


@pytest.mark.promise(id="SEM-801")
@BOTH
async def test_it_prints_the_tree_and_ready_and_a_signal_stops_it(
    start: Start, project: Project, number: signal.Signals
) -> None:
    run = await start(
        "run", project(IDLE, "name: one, type: team.Idle", "name: two, type: team.Idle")
    )
    ready = await run.until("ready")
    assert run.lines[:3] == [
        "root  supervisor  running",
        "├── one  agent  running",
        "└── two  agent  running",
    ]
    assert re.match(r"\d\d:\d\d:\d\d ready +topology\.yaml", ready)
    run.signal(number)
    done = await run.end()
    assert (done.code, done.err) == (0, "")
    assert f"stopping   {number.name}" in done.out
    assert done.out.rstrip().endswith("stopped    civitas")


async def test_crashes_and_restarts_are_printed_as_they_come(
    start: Start, project: Project
) -> None:
    run = await start("run", project(CRASHER, "name: hot, type: team.Crasher, times: 2"))
    crashed = await run.until("crashed")
    assert re.search(r"crashed    hot  ValueError: too hot \(--verbose shows where\)$", crashed)
    assert re.search(
        r"restarted  hot  back (after \d+ ms|within 1 ms)$", await run.until("restarted")
    )
    assert (await run.until("crashed")).endswith("ValueError: too hot")
    await run.until("restarted")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert (done.code, done.err) == (0, "")


async def test_verbose_shows_tracebacks_and_everything_that_happens(
    start: Start, project: Project
) -> None:
    run = await start(
        "run", "--verbose", project(CRASHER, "name: hot, type: team.Crasher, times: 1")
    )
    await run.until("started    hot")
    await run.until("restarted")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert done.code == 0
    assert "team.py" in done.err
    assert "ValueError: too hot" in done.err


@pytest.mark.promise(id="SEM-803")
async def test_a_root_supervisor_that_gives_up_is_exit_code_1(
    start: Start, project: Project
) -> None:
    topology = project(
        CRASHER, "name: hot, type: team.Crasher, times: 9", options="\n  max_restarts: 1"
    )
    run = await start("run", topology)
    done = await run.end()
    assert done.code == 1
    assert "gave up" in done.out
    (line,) = done.err.splitlines()
    assert line.startswith("civitas: supervisor 'root' gave up: 'hot' crashed once more than 1 ")
    assert "too hot" in line


@pytest.mark.promise(id="SEM-803")
async def test_an_agent_that_does_not_start_is_exit_code_1(start: Start, project: Project) -> None:
    source = """
    class Broken(AgentProcess):
        async def on_start(self):
            raise RuntimeError("no key for the model")

        async def handle(self, message): ...
    """
    topology = project(source, "name: b, type: team.Broken")
    done = await (await start("run", topology)).end()
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("civitas: 'b' did not start: RuntimeError: no key for the model")
    assert line.endswith("(--verbose shows where)")
    done = await (await start("run", topology, "--verbose")).end()
    assert done.code == 1
    assert "team.py" in done.err


@pytest.mark.promise(id="SEM-803")
async def test_a_topology_that_cannot_be_run_is_exit_code_1(start: Start, project: Project) -> None:
    topology = project(IDLE, "name: a, type: team.Idel")
    done = await (await start("run", topology)).end()
    assert (done.code, done.out.strip()) == (1, "")
    assert done.err.startswith(f"{topology}:5: 'team' has no 'Idel'; did you mean 'Idle'?")


@pytest.mark.promise(id="SEM-815")
async def test_trace_prints_each_trace_to_the_last(start: Start, project: Project) -> None:
    source = """
    class Talks(AgentProcess):
        async def on_start(self):
            await self.send(self.name, {})

        async def handle(self, message):
            print("handled", flush=True)
    """
    run = await start("run", "--trace", project(source, "name: talker, type: team.Talks"))
    await run.until("handled")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert done.code == 0
    assert "send talker" in done.out
    assert "process talker" in done.out


@pytest.mark.timeout(60)
@pytest.mark.promise(id="SEM-815")
async def test_trace_shows_the_spans_of_a_worker_in_the_same_waterfall(
    start: Start, project: Project
) -> None:
    source = """
    class Asks(AgentProcess):
        async def on_start(self):
            await self.send(self.name, {})

        async def handle(self, message):
            await self.ask("far", {})
            print("handled", flush=True)

    class Far(AgentProcess):
        async def handle(self, message):
            return self.reply({})
    """
    agents = ("name: far, type: team.Far, process: worker", "name: near, type: team.Asks")
    run = await start("run", "--trace", project(source, *agents))
    await run.until("handled")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert done.code == 0
    lines = done.out.splitlines()
    spans = ("send near", "process near", "send far", "process far")
    (first, *others) = [
        next(number for number, line in enumerate(lines) if span in line) for span in spans
    ]
    assert others == [first + below for below in (1, 2, 3)]


async def test_state_in_sqlite_lies_beside_the_topology_and_outlives_the_run(
    start: Start, project: Project, tmp_path: Path
) -> None:
    source = """
    class Counts(AgentProcess):
        async def on_start(self):
            self.state["n"] = self.state.get("n", 0) + 1
            await self.checkpoint()
            print("run", self.state["n"], flush=True)

        async def handle(self, message): ...
    """
    topology = project(
        source, "name: c, type: team.Counts", top="state: {type: sqlite, path: state.db}"
    )
    for number in (1, 2):
        run = await start("run", topology, cwd=Path("/"))
        await run.until(f"run {number}")
        await run.until("ready")
        run.signal(signal.SIGTERM)
        assert (await run.end()).code == 0
    assert (tmp_path / "state.db").is_file()


@pytest.mark.promise(id="SEM-814")
async def test_what_init_writes_runs_at_once(
    start: Start, civitas: Civitas, tmp_path: Path
) -> None:
    assert civitas("init", tmp_path / "hello").code == 0
    run = await start("run", "topology.yaml", cwd=tmp_path / "hello")
    await run.until("ready")
    await run.until("counter: 1")
    run.signal(signal.SIGTERM)
    done = await run.end()
    assert (done.code, done.err) == (0, "")


async def test_the_project_of_init_crashes_once_and_counts_on(
    start: Start, civitas: Civitas, tmp_path: Path
) -> None:
    assert civitas("init", tmp_path / "hello").code == 0
    topology = tmp_path / "hello" / "topology.yaml"
    topology.write_text(topology.read_text().replace("every: 1.0", "every: 0.01"))
    run = await start("run", topology)
    await run.until("counter: 5")
    await run.until("crashed    counter")
    await run.until("restarted  counter")
    await run.until("counter: 6")
    run.signal(signal.SIGTERM)
    assert (await run.end()).code == 0
