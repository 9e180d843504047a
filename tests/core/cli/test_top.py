"""`civitas top`: the tree of a running system, once or live."""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running, Terminal

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

Start = Callable[..., Awaitable[Running]]
Beside = Callable[..., Awaitable[Result]]
OnTerminal = Callable[..., Awaitable[Terminal]]
Project = Callable[..., Path]

AGENT = """
class Agent(AgentProcess):
    async def handle(self, message):
        if message.type == "crash":
            raise ValueError("too hot")
        if message.type == "block":
            print("blocked", flush=True)
            time.sleep(3)
        if message.type == "hold":
            print("holding", flush=True)
            await asyncio.Event().wait()
"""


@pytest.fixture
async def running(start: Start, project: Project) -> tuple[Path, Running]:
    """The topology of a running system with two agents, and the system."""
    topology = project(
        AGENT,
        "name: hot, type: team.Agent, shutdown_timeout: 0",
        "name: cold, type: team.Agent",
        top="runtime: {drain_timeout: 0}",
    )
    run = await start("run", topology)
    await run.until("ready")
    return topology, run


async def send(beside: Beside, topology: Path, name: str, kind: str) -> None:
    assert (await beside("send", topology, name, "1", "--type", kind)).code == 0


@pytest.mark.promise(id="SEM-813")
async def test_once_prints_status_restarts_mailbox_and_process(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    topology, run = running
    pid = run.process.pid
    await send(beside, topology, "hot", "crash")
    await run.until("restarted")
    for _ in range(3):
        await send(beside, topology, "cold", "hold")
    done = await beside("top", topology, "--once")
    assert (done.code, done.err) == (0, "")
    summary, heading, *rows = [" ".join(line.split()) for line in done.out.strip().splitlines()]
    assert summary == "2 of 2 agents running, 1 restart, 2 messages waiting"
    assert heading == "name kind status restarts mailbox pid"
    assert rows == [
        f"root supervisor running 0 {pid}",
        f"├── hot agent running 1 0 {pid}",
        f"└── cold agent running 0 2 {pid}",
    ]


async def test_without_a_terminal_it_prints_once(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    done = await beside("top", running[0])
    assert done.code == 0
    assert "└── cold" in done.out


@pytest.mark.promise(id="SEM-813")
async def test_on_a_terminal_it_goes_on_until_the_system_stops(
    beside: Beside, terminal: OnTerminal, running: tuple[Path, Running]
) -> None:
    topology, run = running
    top = await terminal("top", topology)
    await top.until("0 restarts")
    await send(beside, topology, "hot", "crash")
    await top.until("1 restart,")
    run.signal(signal.SIGTERM)
    assert await top.end() == 0
    assert top.text.rstrip().endswith("topology.yaml: the system stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_on_a_terminal_a_signal_ends_it_cleanly(
    terminal: OnTerminal, running: tuple[Path, Running], number: signal.Signals
) -> None:
    top = await terminal("top", running[0])
    await top.until("0 restarts")
    top.process.send_signal(number)
    assert await top.end() == 0
    assert "Traceback" not in top.text


async def test_a_system_that_gives_no_answer_is_shown_as_such_until_it_does(
    start: Start, terminal: OnTerminal, running: tuple[Path, Running]
) -> None:
    topology, run = running
    top = await terminal("top", topology)
    await top.until("0 restarts")
    await start("send", topology, "hot", "1", "--type", "block")
    await run.until("blocked")
    assert re.search(r"no answer for \d s", await top.until("no answer"))
    await top.until("waiting\r\n")
    assert top.process.returncode is None


async def test_a_system_that_does_not_run_is_one_line(beside: Beside, project: Project) -> None:
    topology = project(AGENT, "name: a, type: team.Agent")
    done = await beside("top", topology)
    assert (done.code, done.out.strip()) == (1, "")
    assert "is not running here; start it with `civitas run" in done.err
