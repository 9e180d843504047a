"""The same run with Temporal and its plugin for the SDK, on its own server, set up by `make bench-peers`."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.peers import serving
from benchmarks.peers.environments import install
from benchmarks.peers.registry import PEERS
from benchmarks.wall.model import Model
from benchmarks.wall.ours import Outcome
from benchmarks.wall.task import VARIABLE, Task

__all__ = ["run"]

_LONGEST = 900.0


def run(task: Task) -> Outcome:
    """Run it; a worker that is killed is started again, as by a process manager."""
    environment = install(PEERS["temporal"])
    model = Model(task)
    with model.server as server, serving.temporal(Path(task.folder), environment) as address:
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
    return Outcome(end, model.asked, task.begun(), len(passed), twice, kept, seconds)
