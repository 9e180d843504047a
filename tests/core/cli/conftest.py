"""The command line, called in this process or run as one of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from civitas.cli import main
from tests.core.cli.support import Result, Running, Terminal


@pytest.fixture(autouse=True)
def _state_folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """State folders of this test's own, with a short path, as a socket needs."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_STATE_HOME", folder)
        yield


@pytest.fixture
def civitas(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Call `civitas ARGUMENTS...` in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def beside(civitas: Callable[..., Result]) -> Callable[..., Awaitable[Result]]:
    """Call `civitas ARGUMENTS...` in a thread beside the test's event loop."""

    async def call(*arguments: object) -> Result:
        return await asyncio.to_thread(civitas, *arguments)

    return call


@pytest.fixture
async def start(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start `civitas ARGUMENTS...` as a process of its own; killed if it outlives the test."""
    marker = request.node.get_closest_marker("timeout")
    limit = marker.args[0] if marker is not None else float(request.config.getini("timeout"))
    started: list[Running] = []

    async def start_it(
        *arguments: object, cwd: Path | None = None, stdin: IO[bytes] | None = None
    ) -> Running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "civitas.cli",
            *map(str, arguments),
            cwd=cwd,
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "",
                "PYTHONFAULTHANDLER": "1",
            },
            stdin=stdin or asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(Running(process, patience=limit * 0.8))
        return started[-1]

    yield start_it
    for each in started:
        if each.process.returncode is None:
            each.process.kill()
            await each.process.communicate()


@pytest.fixture
async def terminal() -> AsyncIterator[Callable[..., Awaitable[Terminal]]]:
    """Start `civitas ARGUMENTS...` on a terminal of its own; killed if it outlives the test."""
    started: list[Terminal] = []

    async def start_it(*arguments: object) -> Terminal:
        started.append(await Terminal.start(*map(str, arguments)))
        return started[-1]

    yield start_it
    for each in started:
        await each.close()


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Write a topology of one supervisor over agents of a module; returns the topology's path."""

    def write(source: str, *agents: str, top: str = "", options: str = "") -> Path:
        (tmp_path / "team.py").write_text(
            "from __future__ import annotations\n"
            "import asyncio, threading, time\n"
            "from civitas import AgentProcess\n" + textwrap.dedent(source),
            encoding="utf-8",
        )
        children = "".join(f"\n    - agent: {{{agent}}}" for agent in agents)
        topology = tmp_path / "topology.yaml"
        topology.write_text(
            f"{top}\nsupervision:\n  name: root{options}\n  children:{children}\n", encoding="utf-8"
        )
        return topology

    return write
