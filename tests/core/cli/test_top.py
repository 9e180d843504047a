"""`civitas top`: the tree of a running system, once or live."""

from __future__ import annotations

import json
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
async def test_without_a_terminal_the_agents_are_printed_once(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    topology, run = running
    pid = run.process.pid
    await send(beside, topology, "hot", "crash")
    await run.until("restarted")
    for _ in range(3):
        await send(beside, topology, "cold", "hold")
    done = await beside("top", topology)  # without a terminal there is nothing else
    assert (done.code, done.err) == (0, "")
    summary, heading, *rows = [" ".join(line.split()) for line in done.out.strip().splitlines()]
    assert summary == "2 of 2 agents running, 1 restart, 2 messages waiting"
    shown = "name kind status handles for mailbox restarts last error left rate age message pid"
    assert heading.replace(" rate", "") == shown.replace(" rate", "")
    assert rows[0] == f"root supervisor running 0 2 {pid}"
    assert rows[1].startswith("├── hot agent running 0 1 ValueError 2")
    assert re.search(r"└── cold agent running hold [\d.]+ s 2 0 2 .*", rows[2])
    plain = json.loads((await beside("top", topology, "--json", "--sort", "mailbox")).out)
    assert [each["name"] for each in plain["agents"]] == ["cold", "hot"]
    assert plain["agents"][0]["waiting"] == 2


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


async def test_on_a_terminal_a_signal_ends_it_cleanly(
    terminal: OnTerminal, running: tuple[Path, Running]
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        top = await terminal("top", running[0])
        await top.until("0 restarts")
        top.process.send_signal(number)
        assert await top.end() == 0
        assert top.left_screen
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
    await top.until("waiting  ")  # and nothing behind that
    assert top.process.returncode is None


@pytest.mark.promise(id="SEM-1773")
async def test_keys_search_look_act_and_leave(
    terminal: OnTerminal, running: tuple[Path, Running]
) -> None:
    topology, run = running
    top = await terminal("top", topology)
    before = top.settings()
    await top.until("? help")
    top.type("/cold\r")
    await top.until("/cold  ? help")
    top.type("\r")
    await top.until("3 restarts left")
    top.type("p")
    await top.until("pause 'cold'?")
    top.type("y")
    await top.until("cold: paused")
    assert "pause of 'cold' by" in await run.until("acted")
    top.type("\x1b[C")
    await top.until("It has had no error.")
    top.type("qq")
    assert await top.end() == 0
    assert top.left_screen
    assert top.settings() == before


async def test_a_system_that_does_not_run_is_one_line(beside: Beside, project: Project) -> None:
    topology = project(AGENT, "name: a, type: team.Agent")
    done = await beside("top", topology)
    assert (done.code, done.out.strip()) == (1, "")
    assert "is not running here; start it with `civitas run" in done.err
