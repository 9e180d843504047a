"""The page of the command line: its commands, one after another beside the system they are about."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.test_samples import place_files
from tests.house.project import ROOT

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

PAGE = ROOT / "docs" / "reference" / "cli.md"


def session() -> list[tuple[str, str]]:
    """Each command of the page, with what the page says that it prints."""
    shown = [block for block in blocks(PAGE) if block.language == "console"]
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
    tmp_path: Path, environment: dict[str, str]
) -> None:
    place_files(PAGE, tmp_path)
    with subprocess.Popen(
        ["civitas", "run", "topology.yaml"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as system:
        try:
            assert system.stdout is not None
            assert any(" ready " in line for line in system.stdout)
            for command, output in session():
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                assert without_pids(done.stdout) == without_pids(output), command
        finally:
            system.terminate()
