"""Output that nobody reads, or can read, is nobody's death."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result

AGENTS = """
    import logging, pathlib

    class Chatty(AgentProcess):
        async def handle(self, message):
            if message.type == "hang":
                time.sleep(60)
            for _ in range(200):
                logging.warning("x" * 10_000)
                print("y" * 10_000)
            return self.reply(self.name)

        async def on_stop(self):
            pathlib.Path(__file__).with_name(f"{self.name}.stopped").touch()
"""


class Unread:
    """A `civitas run` whose output goes into a pipe that is read only when a test says so."""

    def __init__(self, topology: Path) -> None:
        self.read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "civitas.cli", "run", str(topology)],
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
        )
        os.close(write_end)
        os.set_blocking(self.read_end, True)

    def until(self, words: str) -> str:
        text = ""
        while words not in text:
            part = os.read(self.read_end, 65536).decode(errors="replace")
            assert part, text[-2000:]
            text += part
        return text

    def rest(self) -> str:
        parts = []
        while part := os.read(self.read_end, 65536):
            parts.append(part)
        return b"".join(parts).decode(errors="replace")

    def leave(self) -> None:
        os.close(self.read_end)
        self.read_end = -1

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 15)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.read_end >= 0:
            self.leave()


@pytest.fixture
async def unread(project: Callable[..., Path]):
    options = "processes: {w: {hang_timeout: 0.5}}"
    topology = project(
        AGENTS,
        "name: here, type: 'team:Chatty'",
        "name: there, type: 'team:Chatty', process: w",
        top=options,
    )
    running = Unread(topology)
    try:
        await asyncio.to_thread(running.until, "ready")
        yield running, topology
    finally:
        running.close()


Call = Callable[..., Awaitable[Result]]


@pytest.mark.promise(id="SEM-1162")
async def test_a_console_that_is_not_read_stops_no_agent_and_what_was_dropped_is_said(
    unread: tuple[Unread, Path], beside: Call
) -> None:
    running, topology = unread
    for name in ("here", "there", "here", "there"):
        asked = await beside("ask", topology, name, "{}", "--timeout", "10")
        assert (asked.code, asked.out.strip()) == (0, f'"{name}"'), asked.err
    reading = asyncio.create_task(asyncio.to_thread(running.rest))
    assert await running.end() == 0
    said = await reading
    assert "lines were dropped here because nobody read them" in said
    assert "stopped" in said


@pytest.mark.promise(id="SEM-1162")
async def test_a_stuck_worker_is_ended_and_started_again_though_nobody_reads_the_console(
    unread: tuple[Unread, Path], beside: Call
) -> None:
    _, topology = unread
    await beside("ask", topology, "there", "{}")  # the pipe is full from here on
    asked = await beside("ask", topology, "there", "{}", "--type", "hang", "--timeout", "10")
    assert "NodeDown" in asked.err or "stuck" in asked.err, asked.err
    asked = await beside("ask", topology, "there", "{}", "--timeout", "10")
    assert asked.out.strip() == '"there"', asked.err


@pytest.mark.promise(id="SEM-1162")
async def test_a_reader_that_goes_away_ends_nothing(
    unread: tuple[Unread, Path], beside: Call
) -> None:
    running, topology = unread
    running.leave()
    for name in ("here", "there"):
        assert (await beside("ask", topology, name, "{}")).out.strip() == f'"{name}"'
    assert await running.end() == 0
    assert {each.name for each in topology.parent.glob("*.stopped")} == {
        "here.stopped",
        "there.stopped",
    }


@pytest.mark.promise(id="SEM-1162")
async def test_a_program_without_any_output_runs(
    project: Callable[..., Path], beside: Call
) -> None:
    topology = project(AGENTS, "name: there, type: 'team:Chatty', process: w")
    process = await asyncio.create_subprocess_shell(
        'exec "$0" -m civitas.cli run "$1" <&- >&- 2>&-'.replace("$0", sys.executable).replace(
            "$1", str(topology)
        )
    )
    try:
        async with asyncio.timeout(45):  # two interpreters start, and each question takes its share
            while (asked := await beside("ask", topology, "there", "{}")).code:
                assert process.returncode is None, asked.err
        assert asked.out.strip() == '"there"'
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
