"""Ray on this machine: each actor is an OS process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ray

from benchmarks.peers import line

_STORE = 100_000_000
"""Bytes of its store of objects, none of which are large here."""


@ray.remote
class Echo:
    """Answers with what it was asked."""

    def echo(self, payload: Any) -> Any:
        """Answer."""
        return payload

    def pid(self) -> int:
        """Its process."""
        return os.getpid()


async def ask(size: int) -> float:
    """One ask after another."""
    echo = _started()
    started = time.perf_counter()
    for _ in range(size):
        ray.get(echo.echo.remote(line.PAYLOAD))
    return time.perf_counter() - started


async def send(size: int) -> float:
    """Sends, until all are handled."""
    echo = _started()
    started = time.perf_counter()
    for _ in range(size):
        echo.echo.remote(line.PAYLOAD)
    ray.get(echo.echo.remote(line.PAYLOAD))
    return time.perf_counter() - started


async def kill(size: int) -> float:
    """From `kill -9` of the process of an actor until its next answer."""
    # So it starts the actor again, and makes the call again that found it gone.
    actor = Echo.options(max_restarts=-1, max_task_retries=-1).remote()
    seconds = 0.0
    for _ in range(size):
        pid = again = ray.get(actor.pid.remote())
        started = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while again == pid:
            again = ray.get(actor.pid.remote())
        seconds += time.perf_counter() - started
    return seconds


async def start(size: int) -> float:
    """Actors, until each has answered."""
    started = time.perf_counter()
    echoes = [Echo.remote() for _ in range(size)]
    ray.get([echo.echo.remote(line.PAYLOAD) for echo in echoes])
    return time.perf_counter() - started


def _started() -> Any:
    echo = Echo.remote()
    ray.get(echo.echo.remote(line.PAYLOAD))
    return echo


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[dict[str, line.Work]]:
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=_STORE,
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder),
    )
    try:
        yield {"far-ask": ask, "far-send": send, "kill": kill, "start": start}
    finally:
        ray.shutdown()


if __name__ == "__main__":
    line.main(_opened, "ray")
