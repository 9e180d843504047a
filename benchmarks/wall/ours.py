"""The run as an agent of Civitas, in an OS process of its own that its supervisor starts again."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
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
        passed: Calls of the tool that took effect.
        twice: Those that did so more than once.
        kept: Bytes of what is kept in the end.
        seconds: From the question to its answer.
        file: Bytes of the file; more than are kept, if something was dropped and its place is still free.
    """

    end: str
    asked: int
    passed: int
    twice: int
    kept: int
    seconds: float
    file: int = 0


def run(framework: str, task: Task, python: str | None = None) -> Outcome:
    """Run it.

    Args:
        framework: `sdk`, `langgraph` or `crewai`.
        task: What to do.
        python: The environment of the agent's process; by default this one.
    """
    return asyncio.run(_run(framework, task, python))


async def _run(framework: str, task: Task, python: str | None) -> Outcome:
    model = Model(task)
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
            "max_deliveries": len(task.kills) + 3,
            **_AGENTS[framework],
        }
        config = {
            "state": {"type": "sqlite", "path": str(state)},
            "processes": {"worker": worker},
            "supervision": {
                "backoff": "none",
                "max_restarts": len(task.kills) + 3,
                "children": [{"agent": agent}],
            },
        }
        started = time.monotonic()
        async with Runtime.from_config(config) as runtime:
            end = await _ask(runtime, _payload(framework, task))
            seconds = time.monotonic() - started
    passed = task.passed()
    return Outcome(
        end,
        model.asked,
        len(passed),
        sum(times > 1 for times in passed.values()),
        _kept(state),
        seconds,
        state.stat().st_size,
    )


async def _ask(runtime: Runtime, payload: Any) -> str:
    try:
        reply = await runtime.ask("reader", payload, conversation="wall", timeout=None)
    except DeliveryError as error:
        return str(error)
    messages = reply.payload.get("messages")
    output = messages[-1]["content"] if messages else reply.payload["output"]
    return "finished" if output == "The end." else str(reply.payload)[:200]


def _payload(framework: str, task: Task) -> Any:
    if framework in ("sdk", "langgraph"):
        return {"input": task.conversation}
    return {"text": "\n".join(each["content"] for each in task.conversation)}


def _kept(state: Path) -> int:
    """The pages that are in use, once the log is in the file."""
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ("page_count", "freelist_count", "page_size")
        all_, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    kept: int = (all_ - free) * size
    return kept
