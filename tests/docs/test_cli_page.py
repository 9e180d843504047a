"""Pages about a running system: their commands, one after another beside the system that they are about."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from civitas.cli import main
from civitas.cli.windows import blocked_root
from tests.docs.blocks import blocks
from tests.docs.test_samples import place_files
from tests.house.project import ROOT

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

PAGE = ROOT / "docs" / "reference" / "cli.md"


def session(page: Path) -> list[tuple[str, str]]:
    """Each command of a page, with what the page says that it prints."""
    shown = [block for block in blocks(page) if block.language == "console"]
    text = "".join(block.text for block in shown if block.word != "skip")
    return [
        (command, output)
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    ]


def without_pids(text: str) -> str:
    """The lines without the numbers of processes, whose length decides how wide a column is."""
    return "\n".join(" ".join(re.sub(r"\d{2,}", "PID", line).split()) for line in text.splitlines())


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """With the commands of this Python on the path, and a folder for sockets with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        yield {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_STATE_HOME": folder,
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def test_every_command_of_the_page_prints_what_the_page_says(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place_files(PAGE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    with subprocess.Popen(
        ["civitas", "run", "topology.yaml"], env=environment, stdout=subprocess.PIPE, text=True
    ) as system:
        try:
            assert system.stdout is not None
            assert any(" ready " in line for line in system.stdout)
            for command, output in session(PAGE):
                said = printed(command, environment, capsys)
                assert without_pids(said) == without_pids(output), command
        finally:
            system.terminate()


def printed(command: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command prints: in this process, as an interpreter of its own takes its time, unless a shell is needed."""
    if "|" not in command:
        main(shlex.split(command)[1:])
        said = capsys.readouterr()
        return said.out + said.err
    done = subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


INSIDE = ROOT / "docs" / "guides" / "inside.md"


def as_ever(text: str, folder: Path) -> list[str]:
    """The lines without what differs each time."""
    text = text.replace(str(folder), "/srv/shop")
    text = re.sub(r"(?m)^.*meanwhile the event loop was held by(.|\n)*", "", text)
    for pattern, word in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"\d+(\.\d)? (s|min)\b", "AGE"),
        (r"\d+ samples", "SAMPLES"),
        (r"(?m) \d{2,}$", " PID"),
        (r"(asyncio/\w+\.py):\d+", r"\1:LINE"),
        ("├", "└"),
        ("│", " "),
    ):
        text = re.sub(pattern, word, text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


@pytest.mark.promise(id="SEM-1775")
def test_whoever_is_woken_at_three_sees_what_the_page_says(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place_files(INSIDE, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    with subprocess.Popen(
        ["civitas", "run", "topology.yaml"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as system:
        try:
            assert system.stdout is not None
            assert any(" ready " in line for line in system.stdout)
            for command, output in session(INSIDE):
                said = printed(command, environment, capsys)
                assert as_ever(said, tmp_path) == as_ever(output, tmp_path), command
                while "send topology.yaml printer" in command:
                    if asyncio.run(blocked_root(Path("topology.yaml"))) is not None:
                        break
        finally:
            system.kill()  # its event loop is blocked
