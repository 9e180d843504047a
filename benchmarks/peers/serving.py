"""Servers that a contestant needs beside it, on loopback. Of the standard library alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["free_port", "restate", "server", "temporal", "wait_for"]

_READY = 60.0


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@contextmanager
def server(
    command: Sequence[str | Path], port: int, log: Path, variables: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a server, from when it listens at `port`."""
    with log.open("a") as said:
        running = subprocess.Popen(command, stdout=said, stderr=said, env=variables)
    try:
        wait_for(port, running)
        yield
    finally:
        running.terminate()
        running.wait()


def wait_for(port: int, running: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until somebody listens at a port: a process, if it is known which one."""
    until = time.monotonic() + _READY
    while running is None or running.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"nobody listened at port {port} within {_READY:g} s")
        time.sleep(0.05)
    raise RuntimeError(f"the server ended with {running.returncode}")


def _wait_until_healthy(url: str) -> None:
    until = time.monotonic() + _READY
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310
                return
        except OSError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


@contextmanager
def temporal(folder: Path, environment: Path | None = None) -> Iterator[str]:
    """Temporal's development server over SQLite, of this environment or another; yields its address."""
    port = free_port()
    command: list[str | Path] = [(environment or Path(sys.prefix)) / "bin" / "temporal"]
    command += ["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "error", "--db-filename", folder / "temporal.db"]
    with server(command, port, folder / "server.log"):
        yield f"127.0.0.1:{port}"


@contextmanager
def restate(folder: Path, environment: Path) -> Iterator[tuple[str, str]]:
    """Restate's server; yields where runs are asked for, and where services are registered."""
    ingress, admin, node = free_port(), free_port(), free_port()
    addresses = {
        "INGRESS__BIND_ADDRESS": ingress,
        "ADMIN__BIND_ADDRESS": admin,
        "BIND_ADDRESS": node,
    }
    variables = os.environ | {
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_NODE_NAME": "peer",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
        **{f"RESTATE_{name}": f"127.0.0.1:{port}" for name, port in addresses.items()},
    }
    binary = next(environment.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
    with server([binary, "--no-logo"], ingress, folder / "server.log", variables):
        _wait_until_healthy(f"http://127.0.0.1:{admin}/health")
        yield f"http://127.0.0.1:{ingress}", f"http://127.0.0.1:{admin}"
