"""A real NATS server on loopback, which tests may kill and start again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["NatsServer"]

PATIENCE = 20.0


class NatsServer:
    """A `nats-server` with files in a folder.

    Args:
        folder: For its files.
        config: What stands in its configuration beside the port.
    """

    def __init__(self, folder: Path, config: str = "") -> None:
        self._folder = folder
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self.port = -1

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> NatsServer:
        """Start it, the second time at the same port, and wait until it can be connected to."""
        folder = self._folder
        (folder / "nats.conf").write_text(
            f"listen: 127.0.0.1:{self.port}\nports_file_dir: {json.dumps(str(folder))}\n{self._config}\n"
        )
        for old in folder.glob("*.ports"):
            old.unlink()
        with (folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("nats-server"), "-c", folder / "nats.conf"],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE
        while not (found := self._ports()):
            assert self._process.poll() is None, (folder / "nats.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.port = int(found["nats"][0].rpartition(":")[2])
        return self

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it, or hold it with SIGSTOP."""
        os.kill(self.pid, how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            assert self._process is not None
            self._process.wait()
            self._process = None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _ports(self) -> dict[str, list[str]]:
        for file in self._folder.glob("*.ports"):
            try:
                return json.loads(file.read_text())
            except ValueError:
                return {}  # it is being written
        return {}
