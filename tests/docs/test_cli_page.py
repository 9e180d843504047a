"""Pages about a running system: their commands, one after another beside the system that they are about."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from civitas.cli import main
from civitas.cli.windows import blocked_root
from tests.docs.blocks import blocks, earlier, place_files
from tests.docs.sessions import as_ever, session
from tests.house.project import ROOT

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

_LOOKS = re.compile(r"civitas (top|tree|inspect|[a-z-]+ (list|show)) ")
_PATIENCE = 20


def without_pids(text: str) -> str:
    """The lines without the numbers of processes, whose length decides how wide a column is."""
    return "\n".join(" ".join(re.sub(r"\d{2,}", "PID", line).split()) for line in text.splitlines())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to be in. The commands of this Python are on the path, and sockets lie at a short path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with tempfile.TemporaryDirectory() as sockets:
        monkeypatch.setenv("XDG_STATE_HOME", sockets)
        yield tmp_path


@contextmanager
def running(page: Path, folder: Path) -> Iterator[None]:
    """The system of a page, in a folder, while it runs."""
    place_files([*earlier(page), *blocks(page)], folder)
    with subprocess.Popen(
        ["civitas", "run", "topology.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as system:
        try:
            assert system.stdout is not None
            assert any(" ready " in line for line in system.stdout)
            yield
        finally:
            system.kill()  # an agent may block its event loop


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints: in this process, as an interpreter of its own takes its time, unless a shell is needed."""
    if "|" not in command:
        main(shlex.split(command)[1:])
        said = capsys.readouterr()
        return said.out + said.err
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def check(folder: Path, capsys: pytest.CaptureFixture[str], command: str, output: str) -> None:
    """Compare what a command prints; one that looks too early looks again: a reader types slower than agents begin."""
    until, expected = time.monotonic() + _PATIENCE, as_ever(output, folder)
    while (said := as_ever(printed(command, capsys), folder)) != expected:
        if not _LOOKS.match(command) or time.monotonic() > until:
            assert said == expected, command


def test_every_command_of_the_page_prints_what_the_page_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "reference" / "cli.md"
    with running(page, folder):
        for command, output in session(page):
            assert without_pids(printed(command, capsys)) == without_pids(output), command


@pytest.mark.promise(id="SEM-1775")
def test_whoever_is_woken_at_three_sees_what_the_page_says(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "guides" / "inside.md"
    with running(page, folder):
        for command, output in session(page):
            check(folder, capsys, command, output)
            while "send topology.yaml printer" in command:
                if asyncio.run(blocked_root(Path("topology.yaml"))) is not None:
                    break


@pytest.mark.skipif(find_spec("crewai") is not None, reason="the other environment runs it")
def test_the_chapter_on_seeing_inside_shows_what_there_is_to_see(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "tutorial" / "7-inside.md"
    with running(page, folder):
        for command, output in session(page):
            check(folder, capsys, command, output)
