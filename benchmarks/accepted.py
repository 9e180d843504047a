"""What it costs that a message outlives the program: to be accepted by a durable agent, over SQLite."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.agents import Saver
from benchmarks.harness import PAYLOAD, Benchmark, Measurement, at_most, now
from civitas import AgentProcess, Message, Runtime, SQLiteStateStore, Supervisor

__all__ = ["ACCEPTED", "COMMITS"]

_EACH = 200
_SENDERS, _SENT = 64, 25


class Holds(AgentProcess):
    """Handles nothing, so that nothing is written but what is accepted."""

    async def handle(self, message: Message) -> None:
        """Wait for the end."""
        await asyncio.Event().wait()


class Counted(SQLiteStateStore):
    """A store that counts its commits."""

    commits = 0

    async def _commit(self, group: Sequence[Any]) -> None:
        self.commits += 1
        await super()._commit(group)


def _measured(
    agent: Callable[[], AgentProcess], work: Callable[[Runtime, Counted], Awaitable[float]]
) -> Measurement:
    """What `work` finds in a system of one agent."""

    async def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            store = Counted(Path(folder) / "civitas.db")
            try:
                tree = Supervisor("root", children=[agent()])
                async with Runtime(tree, state_store=store, drain_timeout=0) as runtime:
                    return await work(runtime, store)
            finally:
                await store.close()

    return lambda: asyncio.run(measure())


async def _checkpoints(runtime: Runtime, store: Counted) -> float:
    """Microseconds of a checkpoint."""
    started = now()
    await runtime.ask("agent", _EACH, "checkpoints", timeout=None)
    return (now() - started) / _EACH * 1e6


async def _sends(runtime: Runtime, store: Counted) -> float:
    """Microseconds until a message is accepted."""
    started = now()
    for _ in range(_EACH):
        await runtime.send("agent", PAYLOAD)
    return (now() - started) / _EACH * 1e6


async def _at_once(runtime: Runtime, store: Counted) -> float:
    """Commits for each message, where many send."""

    async def send() -> None:
        for _ in range(_SENT):
            await runtime.send("agent", PAYLOAD)

    before = store.commits
    await asyncio.gather(*(send() for _ in range(_SENDERS)))
    return (store.commits - before) / (_SENDERS * _SENT)


async def _one_each(runtime: Runtime, store: Counted) -> float:
    """Commits for each message, where one sends."""
    before = store.commits
    await _sends(runtime, store)
    return (store.commits - before) / _EACH


def _durable() -> AgentProcess:
    return Holds("agent", delivery="durable", mailbox_size=10_000, shutdown_timeout=0)


ACCEPTED = Benchmark(
    "message accepted by a durable agent, beside a checkpoint",
    "µs",
    {
        "limit": _measured(lambda: Saver("agent"), _checkpoints),
        "civitas": _measured(_durable, _sends),
    },
    at_most(1.3),
)
COMMITS = Benchmark(
    "commits for each accepted message, 64 senders",
    "commits",
    {"limit": _measured(_durable, _one_each), "civitas": _measured(_durable, _at_once)},
    at_most(0.1),
)
