"""Runs samples as programs of their own, each forked from an interpreter that has imported what is heavy already.

To import LangGraph takes seconds, and there is a sample in every other paragraph. A fork shares nothing with the next
one, and it ends as any program does: its threads are waited for, its `atexit` runs.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tests.guards import network
from tests.house.project import ROOT

__all__ = ["Samples"]


class Samples:
    """The interpreter that samples are forked from, for as long as the `with` block.

    Args:
        modules: What it imports, of what is installed.
        environment: Variables of the samples, beside those of this process.
    """

    def __init__(self, *modules: str, **environment: str) -> None:
        self._command = [sys.executable, "-m", "tests.docs.forking", *modules]
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, sample: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a file in a folder, from which it can import."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(sample, folder, sep="\t", file=self._process.stdin, flush=True)
        child = int(self._process.stdout.readline())
        try:
            code = int(self._process.stdout.readline())
        except BaseException:  # the time of the test is up
            os.kill(child, signal.SIGKILL)
            self._process.stdout.readline()
            raise
        texts = (file.read_text() for file in _outputs(folder))
        return subprocess.CompletedProcess([str(sample)], code, *texts)


def _outputs(folder: Path) -> list[Path]:
    """What stands for stdout and stderr, beside the folder."""
    return [Path(f"{folder}.{name}") for name in ("out", "err")]


def _serve() -> tuple[Path, Path] | None:
    """Fork for each line of stdin, say who that is and how it ended; returns in the fork, with what the line names."""
    while line := sys.stdin.readline():
        sample, folder = map(Path, line.rstrip("\n").split("\t"))
        if not (child := os.fork()):
            return sample, folder
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def _become(sample: Path, folder: Path) -> None:
    """Be the program `sample` from now on."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, file in zip((1, 2), _outputs(folder), strict=True):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(folder)])
    sys.path[:1] = [str(sample.parent), str(ROOT), str(folder)]
    sys.argv = [str(sample)]
    runpy.run_path(str(sample), run_name="__main__")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    assert threading.active_count() == 1, "of several threads a fork keeps only its own"
    network.install()
    gc.freeze()  # what is never looked at by the collector stays shared with the forks
    if (asked := _serve()) is not None:
        _become(*asked)
