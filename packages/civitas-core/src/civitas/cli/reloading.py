"""`civitas run --reload`: runs a topology in a program of its own, and starts that again when the code changes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from civitas.cli.console import stdout
from civitas.cli.reporting import print_line

__all__ = ["run_reloading"]

_LOOK = 0.2
"""Seconds between two looks at the files."""
_MOST_FILES = 5000
_LEFT_OUT = ("__pycache__", "node_modules", "site-packages")

Stamps = dict[Path, tuple[int, int]]


def run_reloading(topology: Path, options: Sequence[str]) -> int:
    """Run a topology until a signal stops it, each time with the code as it is then.

    New code is tried out first, in a program of its own: while it cannot be imported, or the topology is not valid,
    that is printed and the old one runs on. Otherwise the old one is drained, and the new one started.

    Args:
        topology: The topology.
        options: Of `civitas run`, which the program gets.
    Returns:
        The exit code of the program that a signal stopped; 0 if none ran.
    """
    return _Reloading(topology, options).run()


class _Reloading:
    def __init__(self, topology: Path, options: Sequence[str]) -> None:
        self._topology = topology
        self._options = options
        self._program: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._modules: list[Path] = []
        """Those that were imported last time, wherever they are."""

    def run(self) -> int:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        while not self._stopped:
            seen = self._stamps()
            if self._is_sound() and not self._stopped:
                self._end()
                self._program = self._start()
                # Its modules may be elsewhere than those before; what changed since is a change.
                seen = {**self._stamps(), **seen}
            changed = self._next_change(seen)
            if changed:
                self._say("reload", f"{changed} has changed")
        return self._end()

    def _next_change(self, seen: Stamps) -> str:
        """Wait for a change and until it is over; an empty text if a signal came first."""
        while not self._stopped:
            time.sleep(_LOOK)
            self._notice_end()
            now = self._stamps()
            if now != seen:
                while now != (now := self._stamps()) and not self._stopped:
                    time.sleep(_LOOK)  # an editor writes several files, or one in several steps
                first = min(path for path, _ in seen.items() ^ now.items())
                return os.path.relpath(first, self._topology.parent)
        return ""

    def _is_sound(self) -> bool:
        """Try out the code as it is now; what is wrong with it is printed."""
        command = [sys.executable, "-m", "civitas.cli.trying_out", str(self._topology)]
        done = subprocess.run([*command, *self._options], stdout=subprocess.PIPE, check=False)  # noqa: S603
        if done.returncode == 0:
            self._modules = [Path(each) for each in json.loads(done.stdout.splitlines()[-1])]
            return True
        if not self._stopped:
            runs = self._program is not None
            self._say("reload", "the old code runs on" if runs else "waiting for a change")
        return False

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "civitas.cli", "run", str(self._topology)]
        # In a group of its own: Ctrl-C would reach it beside the signal that it gets from here, and be the second.
        return subprocess.Popen([*command, *self._options], process_group=0)  # noqa: S603

    def _end(self) -> int:
        program, self._program = self._program, None
        if program is None:
            return 0
        program.send_signal(signal.SIGTERM)
        return program.wait()

    def _notice_end(self) -> None:
        if self._program is not None and self._program.poll() is not None:
            code, self._program = self._program.returncode, None
            self._say("reload", f"it ended with exit code {code}; waiting for a change")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopped and self._program is not None:
            self._program.send_signal(number)  # the second one, which ends it at once
        self._stopped = True

    def _say(self, what: str, text: str) -> None:
        print_line(stdout(), what, self._topology.name, text)

    def _stamps(self) -> Stamps:
        found: Stamps = {}
        for path in (self._topology, *self._modules, *_below(self._topology.resolve().parent)):
            try:
                stat = path.stat()
            except OSError:
                continue  # it is being replaced
            found[path.absolute()] = (stat.st_mtime_ns, stat.st_size)
            if len(found) == _MOST_FILES:
                break
        return found


def _below(folder: Path) -> Iterator[Path]:
    """The modules in a folder, but for what is hidden or installed."""
    for above, folders, files in os.walk(folder):
        if "pyvenv.cfg" in files:
            folders.clear()
            continue
        folders[:] = [each for each in folders if each[:1] != "." and each not in _LEFT_OUT]
        yield from (Path(above, each) for each in files if each.endswith(".py"))
