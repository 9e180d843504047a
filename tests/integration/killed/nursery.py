"""Roots that begin within milliseconds: each is forked from a process that has imported what it needs.

`python -m tests.integration.killed.nursery MODULE` imports the module, and forks a root for each line that it reads:
the address at which that is awaited. It answers with the pid.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from tests.house.project import ROOT
from tests.integration.processes.system import is_alive

__all__ = ["Nursery", "Root"]

_WARM = ["civitas.topology.building", "civitas.state.sqlite", "tests.integration.killed.program"]


class Root:
    """A root that was started, and the way to it.

    Attributes:
        connection: The way to it.
    """

    def __init__(self, pid: int, connection: Connection[Any, Any]) -> None:
        self.connection = connection
        self._pid = pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return is_alive(self._pid)

    def kill(self) -> None:
        """Kill it with -9."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def ended(self) -> None:
        """Wait until it has ended, and close the way to it."""
        while self.is_alive:
            time.sleep(0.001)
        self.connection.close()


class Nursery:
    """Starts roots.

    Args:
        module: What they import.
        folder: Where its socket is.
        environment: What is added to theirs.
    """

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._listener = Listener(str(folder / "nursery"))
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__, module],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> Root:
        """Start a root."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self._listener.address}\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        return Root(pid, self._listener.accept())

    def close(self) -> None:
        """End it; the roots are not touched."""
        self._process.communicate()
        self._listener.close()


def main() -> None:
    for each in [*_WARM, sys.argv[1]]:
        import_module(each)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the roots
    told = os.fdopen(os.dup(0))
    for address in told:
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            told.close()
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            with Client(address.strip()) as connection:
                import_module(f"{__spec__.parent}.program").run(connection)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
