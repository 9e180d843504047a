"""Durable agents, and stores that outlive their runtime, for the tests of runs."""

from __future__ import annotations

from typing import Any

from civitas.process import AgentProcess
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore, StateStore
from civitas.supervision import ChildSpec, Supervisor
from tests.core.support import Actor, Journal


def durable(journal: Journal, name: str = "a", **keywords: Any) -> Actor:
    """An actor whose messages are kept, and that is stopped at once."""
    return Actor(name, journal, **{"delivery": "durable", "shutdown_timeout": 0, **keywords})


def system(*children: ChildSpec, store: StateStore | None = None, **keywords: Any) -> Runtime:
    """A runtime that restarts at once; on a store that outlives it, if one is given."""
    spec = Supervisor("root", list(children), backoff="none", max_restarts=10)
    store = InMemoryStateStore() if store is None else store
    return Runtime(spec, state_store=store, **{"drain_timeout": 0.05, **keywords})


class Recorder(AgentProcess):
    """Writes into a journal what it handles, and how often that was begun before."""

    def __init__(self, name: str, journal: Journal, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.journal = journal

    async def handle(self, message: Any) -> Any:
        self.journal.write(f"{message.payload} {message.attempt}")
        return self.reply(message.payload)
