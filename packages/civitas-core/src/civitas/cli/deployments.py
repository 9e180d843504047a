"""`civitas topology diff --runs`: the runs in a state store that a deployment touches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from civitas.cli.console import stdout
from civitas.cli.failures import say
from civitas.cli.payloads import print_payload
from civitas.cli.stored import opened
from civitas.cli.trees import count
from civitas.frameworks import FrameworkAgent, OnChange, Part
from civitas.frameworks.changed_code import decided
from civitas.frameworks.recorded_shapes import of_messages, of_question
from civitas.frameworks.shapes import differences, in_words
from civitas.plugins import PluginManager
from civitas.process import AgentProcess, Delivery
from civitas.runs.stored import LeftRun, StoredRuns
from civitas.state import StateStore
from civitas.telemetry.readable import cut
from civitas.topology import Topology, load
from civitas.topology.building import Builder
from civitas.topology.trial import Trial

__all__ = ["print_touched"]

_STAYS = "stays"
"""What becomes of a run that no agent goes on with."""


@dataclass(frozen=True)
class TouchedRun:
    """A run that a deployment touches.

    Attributes:
        run: Its name.
        agent: Name of its agent.
        status: `accepted`, or `waiting` for a human.
        conversation: Its conversation; None without one.
        then: What becomes of it: `refuse`, `go_on` or `restart`, or `stays` if no agent takes it.
        differences: Why, each in words.
    """

    run: str
    agent: str
    status: str
    conversation: str | None
    then: str
    differences: list[str]


def print_touched(old: Path, new: Path, *, as_json: bool) -> int:
    """Print the runs that are touched.

    Args:
        old: The topology whose state store has them; nothing but its name and its store is read.
        new: The topology that is to be deployed; what it names is imported.
        as_json: Whether to print an array of objects.
    Returns:
        The exit code: 0 when none is touched, 1 when some are.
    Raises:
        CivitasError: No store outlives the system, or the agents of `new` cannot be made.
    """
    left, touched = asyncio.run(_find(old, load(new)))
    if as_json:
        print_payload([asdict(each) for each in touched])
    elif touched:
        stdout().print(_table(touched))
    else:
        of = count(left, "run")
        say(f"{new}: {of} under way or waiting in the store of {old}, and none is touched")
    return 1 if touched else 0


async def _find(old: Path, topology: Topology) -> tuple[int, list[TouchedRun]]:
    async with opened(old) as found:
        if found.store is None:
            return 0, []
        left = await StoredRuns(found.store).going_on()
        deployment = _Deployment(topology, found.store)
        return len(left), [each async for each in deployment.touched(left)]


class _Deployment:
    """A deployment of a topology, onto the runs of a store.

    Args:
        topology: The topology.
        store: The store.
    """

    def __init__(self, topology: Topology, store: StateStore) -> None:
        self._topology = topology
        self._store = store
        self._builder = Builder(topology, {}, PluginManager())
        self._agents: dict[str, _Agent | None] = {}
        spawns = any(kind == "dynamic_supervisor" for _, kind, _ in topology.walk())
        self._gone = "gone, unless it is spawned" if spawns else "gone"

    async def touched(self, left: Iterable[LeftRun]) -> AsyncIterator[TouchedRun]:
        """Those of the runs that are touched."""
        begun = await of_messages(self._store)
        self._builder.get_ready()
        for each in left:
            info = each.info
            family = info.agent.partition("/")[0]
            if family not in self._topology.agents:
                then, texts = _STAYS, [f"agent {family!r} is {self._gone}"]
            elif (agent := await self._agent(family)) is None:
                continue
            elif not agent.durable:
                then, texts = _STAYS, [f"agent {family!r} is not durable any more"]
            else:
                parts = begun.get(each.message_id or "")
                if each.conversation is not None:
                    parts = await of_question(self._store, family, each.conversation)
                found = differences(parts, agent.parts) if parts and agent.parts else []
                if not found:
                    continue
                then, texts = str(decided(agent.on_change, found)), [one.text for one in found]
            yield TouchedRun(info.run, info.agent, str(info.status), info.conversation, then, texts)

    async def _agent(self, name: str) -> _Agent | None:
        """An agent of the topology; None if it cannot be made here."""
        if name not in self._agents:
            _, entry = self._topology.agents[name]
            process = self._topology.processes.get(entry.process)
            if process is not None and process.python is not None:
                say(f"agent {name!r} is not looked at: its process has a Python of its own")
                self._agents[name] = None
            else:
                async with Trial() as trial:
                    made = await trial.open(self._builder.one(name))
                    self._agents[name] = _Agent.of(made)
        return self._agents[name]


@dataclass(frozen=True)
class _Agent:
    durable: bool
    on_change: OnChange | None
    parts: list[Part]

    @classmethod
    def of(cls, agent: AgentProcess) -> _Agent:
        durable = agent._civitas_options.delivery is Delivery.DURABLE
        if not isinstance(agent, FrameworkAgent):
            return cls(durable, None, [])
        return cls(durable, agent.on_change, list(agent.shape()))


def _table(touched: list[TouchedRun]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("run", "agent", "status", "then", "as"):
        table.add_column(column, no_wrap=column != "as")
    for each in touched:
        row = (each.run, each.agent, each.status, each.then, in_words(each.differences))
        table.add_row(*(Text(cut(value)) for value in row))
    return table
