"""Follows a page word for word: writes the files it shows, and types its commands into terminals, in the page's order.

    python -m tests.docs.following docs/begin.md FOLDER

says how long each command took. The folder is to be empty. With `--here` the commands of the set-up (`python -m venv`,
`pip install`) are left out: what they install is on the path.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.docs.blocks import Block, blocks, earlier, place_files
from tests.docs.sessions import as_ever, commands

__all__ = ["Shell", "Step", "follow"]

_SET_UP = ("python -m venv", ". .venv/bin/activate", "pip install")
# What the shell itself says about a job that was killed, and the root of a slow machine about what starts there.
_ASIDE = re.compile(r"(?m)^(bash: line \d+:|warning: (the start is )?waiting for ).*\n")
_DONE = re.compile(r"civitas-shell-done (\d+)\n")
_TROUBLE = re.compile(r"(?m)^Traceback \(most recent call last\)|\bERROR\b")
_LOOKS = "civitas runs list"
_PATIENCE = 40


@dataclass(frozen=True)
class Step:
    """A command of a page: what it was to print, what it printed, and the seconds that took."""

    command: str
    expected: list[str]
    printed: list[str]
    seconds: float


class Shell:
    """A terminal: one bash that is typed into. Everything that it starts ends with it."""

    def __init__(self, folder: Path, environment: dict[str, str], limit: float) -> None:
        self._limit = limit
        self._process = subprocess.Popen(
            ["bash", "--norc", "-s"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._pass_over()
        finally:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def type(self, command: str, lines: int) -> str:
        """What it prints until it is done and that is so many lines; of a job in the background, until they are there.

        What a job printed before is passed over, unless it tells of trouble.

        Raises:
            AssertionError: Nothing more came in time, or the command failed.
        """
        assert self._process.stdin is not None
        background = command.endswith("&")
        self._pass_over()
        typed = command if background else f"{command}\necho civitas-shell-done $?"
        self._process.stdin.write(f"{typed}\n".encode())
        self._process.stdin.flush()
        return self.see(lines, until_done=not background)

    def see(self, lines: int, *, until_done: bool = False) -> str:
        """What comes until it is so many lines, and the last thing that `type` has the shell print."""
        until, data = time.monotonic() + self._limit, b""
        while True:
            text = data.decode(errors="ignore")  # a letter may have come in part
            said = _ASIDE.sub("", _DONE.sub("", text))
            done = _DONE.search(text)
            if done is not None and done[1] != "0":
                raise AssertionError(f"the command fails with {done[1]}, and prints\n{said}")
            if (done is not None or not until_done) and said.count("\n") >= lines:
                return said
            if not (piece := self._read(until - time.monotonic())):
                raise AssertionError(f"nothing more came in {self._limit} s than\n{text}")
            data += piece

    def _pass_over(self) -> None:
        """Leave out what jobs printed that no command is about."""
        said = self._read(0).decode(errors="replace")
        assert not _TROUBLE.search(said), f"a job in the background prints\n{said}"

    def _read(self, patience: float) -> bytes:
        """What is there, or comes first; empty if nothing comes."""
        assert self._process.stdout is not None
        data, there = b"", [self._process.stdout]
        while select.select(there, [], [], max(0, patience))[0]:
            if not (more := os.read(there[0].fileno(), 65536)):
                break
            data, patience = data + more, 0
        return data


def follow(
    page: Path, folder: Path, environment: dict[str, str], *, set_up: bool, limit: float
) -> Iterator[Step]:
    """Each command of the page with what it printed; a command may take `limit` seconds."""
    with ExitStack() as stack:
        terminals: dict[str | None, Shell] = {}
        place_files(earlier(page), folder)
        for block in blocks(page):
            if block.word == "file":
                place_files([block], folder)
            elif block.word != "skip" and (shown := _shown(block)):
                if block.value not in terminals:
                    shell = stack.enter_context(Shell(folder, environment, limit))
                    terminals[block.value] = shell
                for command, output in shown:
                    if command.startswith(_SET_UP) and not set_up:
                        continue
                    yield _step(terminals[block.value], command, as_ever(output, folder), folder)
                    if moved := re.search(r"&& cd (\S+)$", command):
                        folder /= moved[1]


def _shown(block: Block) -> list[tuple[str, str]]:
    """The commands of a block and what they print; of one that shows what comes in a terminal by itself, that alone."""
    if block.language == "text" and block.word == "terminal":
        return [("", block.text)]
    return commands(block) if block.language == "console" else []


def _step(shell: Shell, command: str, expected: list[str], folder: Path) -> Step:
    began = time.monotonic()
    while True:
        text = shell.type(command, len(expected)) if command else shell.see(len(expected))
        unseen = command.startswith(_SET_UP)  # what pip prints is its own affair
        printed = [] if unseen else as_ever(text, folder)
        seconds = time.monotonic() - began
        # Whoever is quick and looks a moment too early looks again.
        if printed == expected or not command.startswith(_LOOKS) or seconds > _PATIENCE:
            return Step(command, expected, printed, seconds)


def _main() -> None:
    page, folder, *here = sys.argv[1:]
    whole = 0.0
    steps = follow(Path(page).resolve(), Path(folder), dict(os.environ), set_up=not here, limit=300)
    for step in steps:
        print(f"{step.seconds:6.1f} s  {step.command}", flush=True)
        whole += step.seconds
        if step.printed != step.expected:
            said, shown = "\n".join(step.printed), "\n".join(step.expected)
            sys.exit(f"{step.command} prints\n{said}\nand the page says\n{shown}")
    print(f"{whole:6.1f} s  in all")


if __name__ == "__main__":
    _main()
