"""`civitas run --reload`: runs a topology in a program of its own, and starts that again when the code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from civitas.cli.console import stdout
from civitas.cli.reporting import print_line
from civitas.cli.watched_files import Stamps, WatchedFiles, read_report

__all__ = ["run_reloading"]


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
        self._watch = WatchedFiles(topology)

    def run(self) -> int:
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, self._stop)
        while not self._stopped:
            seen = self._watch.look()
            if self._is_sound(seen):
                code = self._end()
                if self._is_stopped():
                    return code
                self._program = self._start()
            self._next_change(self._watch.since(seen))
        return self._end()

    def _is_stopped(self) -> bool:
        """Whether a signal came, which may be at any time."""
        return self._stopped

    def _is_sound(self, seen: Stamps) -> bool:
        """Try out the code as it is now; what is wrong with it is printed."""
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "modules")
            arguments = [str(report), str(self._topology), *self._options]
            # In a group of its own, with those that it starts for other OS processes of the topology.
            trial = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "civitas.cli.trying_out", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,
            )
            while trial.poll() is None and not self._stopped and self._watch.look() == seen:
                with suppress(subprocess.TimeoutExpired):
                    trial.wait(self._watch.pause)
                self._notice_end()
            over = trial.poll() is not None
            if not over:  # its import may never end
                os.killpg(trial.pid, signal.SIGKILL)
            code = trial.wait()
            if modules := read_report(report):
                self._watch.follow(modules)
        if self._stopped or not over:
            return False
        if code != 0:
            self._say("the old code runs on" if self._program else "waiting for a change")
        return code == 0

    def _next_change(self, seen: Stamps) -> None:
        """Wait for a change and until it is over; returns at once when a signal comes."""
        while not self._stopped:
            now = self._watch.look()
            if now != seen:
                first = min(path for path, _ in seen.items() ^ now.items())
                self._say(f"{os.path.relpath(first, self._topology.parent)} has changed")
                break
            self._wait_a_moment()
        while not self._stopped:
            self._wait_a_moment()  # an editor writes several files, or one in several steps
            if now == (now := self._watch.look()):
                break

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "civitas.cli.reloaded", str(self._topology)]
        # In a group of its own: Ctrl-C would reach it beside the signal that it gets from here, and be the second.
        return subprocess.Popen(  # noqa: S603
            [*command, *self._options], stdin=subprocess.PIPE, process_group=0
        )

    def _end(self) -> int:
        if self._program is None:
            return 0
        self._program.send_signal(signal.SIGTERM)
        code = self._program.wait()
        self._let_go()
        return code if code >= 0 else 128 - code

    def _notice_end(self) -> None:
        if self._program is not None and (code := self._program.poll()) is not None:
            self._let_go()
            self._say(f"it ended with exit code {code}; waiting for a change")

    def _let_go(self) -> None:
        program, self._program = self._program, None
        if program is not None and program.stdin is not None:
            program.stdin.close()

    def _wait_a_moment(self) -> None:
        time.sleep(self._watch.pause)
        self._notice_end()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopped and self._program is not None:
            self._program.send_signal(number)  # the second one, which ends it at once
        self._stopped = True

    def _say(self, text: str) -> None:
        print_line(stdout(), "reload", self._topology.name, text)
