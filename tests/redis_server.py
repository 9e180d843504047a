"""A real Redis server at a socket in a folder, which tests may kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.debian import library_path, program

__all__ = ["RedisServer"]

PATIENCE = 20.0


class RedisServer:
    """A `redis-server` that syncs its file before it acknowledges.

    Args:
        folder: For its files.
        options: What it is told beside.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._program = program("redis-server")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/redis.sock"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> RedisServer:
        """Start it, and wait until it has read its data."""
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *("--port", "0", "--unixsocket", f"{self._folder}/redis.sock"),
                    *("--dir", str(self._folder), "--save", ""),
                    *("--appendonly", "yes", "--appendfsync", "always", *self._options),
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, **library_path()},
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return self

    def kill(self, how: int = signal.SIGKILL) -> None:
        """End it, or hold it with SIGSTOP."""
        os.kill(self.pid, how)
        if how in (signal.SIGKILL, signal.SIGTERM):
            self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(f"{self._folder}/redis.sock")
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith((b"+PONG", b"-NOAUTH"))
            except OSError:
                return False
