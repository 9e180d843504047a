"""Processes that somebody else starts, and which the root waits for."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from civitas import Runtime
from tests.integration.processes.cast import Actor
from tests.integration.processes.system import Events, agent, look, running, topology, until

Start = Callable[[str], Awaitable[asyncio.subprocess.Process]]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the topology is to stand; its state folder is a new one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "topology.yaml"


@pytest.fixture
async def start(file: Path) -> AsyncIterator[Start]:
    """Starts a process of the topology by hand."""
    started = []

    async def one(name: str) -> asyncio.subprocess.Process:
        command = ("-m", "civitas.cli", "run", str(file), "--process", name)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield one
    for each in started:
        with suppress(ProcessLookupError):
            each.kill()
        await each.wait()


@pytest.mark.promise(id="SEM-820")
async def test_a_group_in_several_of_them_is_served_while_it_waits_for_all(
    file: Path, start: Start
) -> None:
    config = topology(
        agent("a", "p1"),
        agent("b", "p2"),
        processes={"p1": {"start": False}, "p2": {"start": False}},
        strategy="rest_for_one",
        max_restarts=100,
    )
    file.write_text(json.dumps(config))  # noqa: ASYNC240
    processes = [await start("p1"), await start("p2")]
    async with Runtime.from_config(str(file)) as runtime:
        events = Events(runtime)
        for each in processes:
            each.send_signal(signal.SIGKILL)
        await until(lambda: len(events.of("node_down")) == 2)
        await start("p1")
        await until(lambda: events.of("node_up"), 30)
        # Its supervisor does not wait for the other one with folded hands.
        async with asyncio.timeout(10):
            await runtime.start_child("root", Actor("another"))
        assert look(runtime, "a")["status"] == "restarting"
        await start("p2")
        async with asyncio.timeout(30):
            await running(runtime)
        for name in ("a", "b"):
            assert (await runtime.ask(name, None, "pid")).payload
            assert look(runtime, name)["restarts"] == 1
