"""The run as an agent of Civitas, in an OS process of its own that its supervisor starts again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wall.model import Model
from benchmarks.wall.task import VARIABLE, Task
from civitas import Runtime
from civitas.errors import DeliveryError

__all__ = ["Outcome", "run"]

_AGENTS: dict[str, dict[str, Any]] = {
    "sdk": {"wrap": "benchmarks.wall.sdk:agent", "max_turns": None},
    "langgraph": {
        "wrap": "benchmarks.wall.graph:make_graph",
        "config": "benchmarks.wall.graph:CONFIG",
    },
    "crewai": {"wrap": "benchmarks.wall.crew:make_crew"},
}


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        end: `finished`, or what it ended with.
        asked: How often the model was asked.
        begun: How often the tool was called.
        passed: Calls of the tool that took effect.
        twice: Those that did so more than once.
        kept: Bytes of what is kept in the end.
        seconds: From the question to its answer.
        killed: How often its process was killed.
        processor: Seconds of processor time of the agent's processes; the model's are not among them.
        file: Bytes of the file; more than are kept, if something was dropped and its place is still free.
    """

    end: str
    asked: int
    begun: int
    passed: int
    twice: int
    kept: int
    seconds: float
    killed: int = 0
    processor: float = 0.0
    file: int = 0


def run(
    framework: str, task: Task, python: str | None = None, moments: Sequence[float] = ()
) -> Outcome:
    """Run it.

    Args:
        framework: `sdk`, `langgraph` or `crewai`.
        task: What to do.
        python: The environment of the agent's process; by default this one.
        moments: When to kill it, besides the calls of the task: so many calls, and that part of the next turn.
    """
    return asyncio.run(_run(framework, task, python, moments))


async def _run(framework: str, task: Task, python: str | None, moments: Sequence[float]) -> Outcome:
    model = Model(task)
    kills = len(task.kills) + len(moments)
    state = Path(task.folder) / "civitas.db"
    with model.server as server:
        worker: dict[str, Any] = {
            "start_timeout": 120,  # CrewAI takes its time, and the machine may have other work
            "env": {
                VARIABLE: task.text(),
                "OPENAI_BASE_URL": server.url,
                "OPENAI_API_KEY": "scripted",
                "PYTHONPATH": str(Path.cwd()),
            },
        }
        if python is not None:
            worker["python"] = python
        agent = {
            "name": "reader",
            "process": "worker",
            "durable": True,
            "max_deliveries": kills + 3,
            **_AGENTS[framework],
        }
        config = {
            "state": {"type": "sqlite", "path": str(state)},
            "processes": {"worker": worker},
            "supervision": {
                "backoff": "none",
                "max_restarts": kills + 3,
                "children": [{"agent": agent}],
            },
        }
        started, before = time.monotonic(), _of_children()
        async with Runtime.from_config(config) as runtime:
            async with _killing(runtime, model, moments) as killed:
                end = await _ask(runtime, _payload(framework, task))
            seconds = time.monotonic() - started
    passed = task.passed()
    return Outcome(
        end,
        model.asked,
        task.begun(),
        len(passed),
        sum(times > 1 for times in passed.values()),
        _kept(state),
        seconds,
        len(killed) + task.killed(),
        _of_children() - before,
        state.stat().st_size,
    )


@asynccontextmanager
async def _killing(
    runtime: Runtime, model: Model, moments: Sequence[float]
) -> AsyncIterator[list[int]]:
    """Kill the process of the agent at these moments; yields those that were killed."""
    killed: list[int] = []

    async def kill() -> None:
        for moment in sorted(moments):
            while model.seen < int(moment):
                await asyncio.sleep(0.005)
            await asyncio.sleep(moment % 1 * model.turn)
            # Of two moments that are close, the second one kills a process that has only begun, or goes through
            # the run again.
            while (pid := runtime.tree()["children"][0]["pid"]) in (None, *killed):
                await asyncio.sleep(0.005)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
                print(f"killed behind call {model.seen}", file=sys.stderr, flush=True)

    killing = asyncio.create_task(kill())
    try:
        yield killed
    finally:
        killing.cancel()
        with suppress(asyncio.CancelledError):
            await killing


async def _ask(runtime: Runtime, payload: Any) -> str:
    try:
        reply = await runtime.ask("reader", payload, conversation="wall", timeout=None)
    except DeliveryError as error:
        return str(error)
    return "finished" if reply.payload["output"] == "The end." else str(reply.payload)[:200]


def _payload(framework: str, task: Task) -> Any:
    if framework in ("sdk", "langgraph"):
        return {"input": task.conversation}
    return {"text": "\n".join(each["content"] for each in task.conversation)}


def _of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _kept(state: Path) -> int:
    """The pages that are in use, once the log is in the file."""
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ("page_count", "freelist_count", "page_size")
        all_, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    kept: int = (all_ - free) * size
    return kept
