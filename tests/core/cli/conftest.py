"""The command line, called in this process or run as one of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from civitas.cli import main
from tests.core.cli.support import Result, Running


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
async def start() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start `civitas ARGUMENTS...` as a process of its own; killed if it outlives the test."""
    started: list[Running] = []

    async def start_it(*arguments: object, cwd: Path | None = None) -> Running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "civitas.cli",
            *map(str, arguments),
            cwd=cwd,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(Running(process))
        return started[-1]

    yield start_it
    for each in started:
        if each.process.returncode is None:
            each.process.kill()
            await each.process.communicate()


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
