"""What the agents of one OS process do at this moment, for whoever looks; nothing is kept while nobody does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sized
from pathlib import Path
from typing import Any, Protocol, TypedDict

from civitas.errors import SupervisionError
from civitas.node.changes import Changes
from civitas.node.inspecting import Inspection, Seen
from civitas.node.registry import Registry
from civitas.process import Cell
from civitas.process.incarnation import Incarnation
from civitas.telemetry.readable import ends_of

__all__ = [
    "AgentNow",
    "Far",
    "Glances",
    "Handled",
    "NodeNow",
    "NothingFar",
    "Overview",
    "seen_now",
]

_RATE_OVER = 1.0
"""Seconds over which a rate is measured, at least."""
_STEP = 1000
"""Characters of the name of a step; longer ones are cut."""
_STATM = Path("/proc/self/statm")


class Handled(TypedDict):
    """The message that an agent has in hand.

    Attributes:
        message: Its id.
        type: Its type.
        sender: Who sent it; None for the runtime itself and for whoever asks from outside.
        conversation: What it belongs to, or None.
        run: Name of the run.
        attempt: How often it was begun before.
        since: When its handler began, in unix seconds.
        step: What goes on, as the agent names it: the node of a graph, a tool; empty if it does not say.
        moved: When that changed last, in unix seconds; None if it does not say.
        retry_at: When a model is called again after an error, in unix seconds; None while nothing waits for that.
        asks: The agents whose answers it waits for.
        tokens: What its models have used so far.
    """

    message: str
    type: str
    sender: str | None
    conversation: str | None
    run: str
    attempt: int
    since: float
    step: str
    moved: float | None
    retry_at: float | None
    asks: list[str]
    tokens: int


class AgentNow(TypedDict):
    """One agent or supervisor of the tree; times are unix seconds, None if there is none.

    Attributes:
        name: Its name.
        kind: `agent`, `supervisor`, `dynamic_supervisor` or `conversation_pool`.
        parent: Its supervisor; None for the root of the tree.
        status: As in the tree.
        paused: Whether it takes no messages until somebody says so.
        node: The OS process that it runs in.
        pid: Of that process; None while it is down.
        restarts: How often it was started again.
        restarts_left: How many more its supervisor may make at this moment; of a supervisor, it itself.
        due: When it is started again after a crash.
        next: When its schedule is due next.
        started: When its incarnation began.
        handling: The message in hand; None while it waits for one.
        waiting: How many messages wait.
        oldest: When the first of them was sent.
        handled: How many it has taken from its mailbox since its process began.
        rate: How many of those each second since somebody looked last.
        failed: How many it gave up, or crashed on.
        last_error: Class name of the last of these errors; empty if there was none.
        tokens: What the models of its incarnation have used.
        budget: What is left of its budget, by what that limits; what its OS process may spend without asking counts as
            spent. None if it has none, or nothing was spent of it since the system started.
    """

    name: str
    kind: str
    parent: str | None
    status: str
    paused: bool
    node: str
    pid: int | None
    restarts: int
    restarts_left: int | None
    due: float | None
    next: float | None
    started: float | None
    handling: Handled | None
    waiting: int
    oldest: float | None
    handled: int
    rate: float
    failed: int
    last_error: str
    tokens: int
    budget: dict[str, float] | None


class NodeNow(TypedDict):
    """One OS process of the system.

    Attributes:
        name: Its name; `root` for the one that runs the tree.
        status: `up`, `starting`, `leaving` or `down`.
        pid: Of the process; None while it is down.
        host: The machine, by its name; empty while it is not known.
        started: When it began, in unix seconds; None while it is not known.
        silent: For how many seconds it has not answered, as its event loop is blocked or it stands; 0 if it has.
        lag: Seconds until its event loop came to the question.
        cpu: The share of one processor that it used since somebody looked last.
        memory: Bytes in memory; None where the system does not tell.
        asks: How many asks wait for their answers there.
        agents: How many agents run there, conversations among them.
    """

    name: str
    status: str
    pid: int | None
    host: str
    started: float | None
    silent: float
    lag: float
    cpu: float
    memory: int | None
    asks: int
    agents: int


class Overview(TypedDict):
    """What a system does at this moment.

    Attributes:
        version: To be given as `since` the next time.
        time: When this was true, in unix seconds.
        system: Name of the system.
        whole: Whether `agents` is everything there is, and what was known before is to be forgotten.
        agents: The agents and supervisors that changed, in the order of the tree.
        gone: The names of those that are no more.
        nodes: All OS processes.
        leader: Where several roots may be started, the one that leads: `pid`, `host` and since when; otherwise None.
        edge: Where the HTTP edge can be reached; None if there is none.
        questions: How many runs of durable agents wait for a human.
    """

    version: int
    time: float
    system: str
    whole: bool
    agents: list[AgentNow]
    gone: list[str]
    nodes: list[NodeNow]
    leader: dict[str, Any] | None
    edge: str | None
    questions: int


class Glances:
    """Looks at the agents of a node when asked.

    Args:
        registry: Knows the agents.
        asks: Those that wait for their answers.
    """

    def __init__(self, registry: Registry, asks: Sized) -> None:
        self._registry = registry
        self._asks = asks
        self._changes = Changes()
        self._keys: dict[str, tuple[Any, ...]] = {}
        self._counted: dict[str, tuple[float, int, float]] = {}
        """Of agents that handle messages: when their rate was measured last, what they had handled, and the rate."""
        self._began = time.time()
        self._used = time.monotonic(), time.process_time(), 0.0

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What was seen last of each agent that runs here, by its name."""
        return self._changes.facts

    def look(self) -> None:
        """See what each agent does now."""
        self._changes.begin()
        now, there = time.monotonic(), set()
        keys, counted = self._keys, self._counted
        for name, cell in self._registry.items():
            if not isinstance(cell, Cell):
                continue
            there.add(name)
            key = _key(cell)
            if keys.get(name) != key or (name in counted and counted[name][2]):
                keys[name] = key
                facts = _facts(cell, self._rate(name, cell.mailbox.taken, now))
                if self._changes.facts.get(name) != facts:
                    self._changes.put(name, facts)
        if len(there) != len(keys):
            for name in [each for each in keys if each not in there]:
                del keys[name]
                counted.pop(name, None)
        self._changes.keep(there)

    def told(self, since: int | None) -> dict[str, Any]:
        """Look, and tell what has changed since a version, as plain data for another process."""
        self.look()
        whole, changed, gone = self._changes.since(since)
        return {
            "version": self._changes.version,
            "whole": whole,
            "agents": changed,
            "gone": gone,
            "node": self.node(),
        }

    def node(self) -> dict[str, Any]:
        """What this process itself does."""
        at, used, cpu = self._used
        now, uses = time.monotonic(), time.process_time()
        if now - at >= _RATE_OVER:
            cpu = (uses - used) / (now - at)
            self._used = now, uses, cpu
        return {
            "host": platform.node(),
            "started": self._began,
            "cpu": round(cpu, 4),
            "memory": _memory(),
            "asks": len(self._asks),
            "agents": len(self._keys),
        }

    def _rate(self, name: str, taken: int, now: float) -> float:
        at, before, rate = self._counted.get(name, (now, taken, 0.0))
        if now - at >= _RATE_OVER:
            rate = round((taken - before) / (now - at), 3)
            at, before = now, taken
        self._counted[name] = at, before, rate
        return rate


class Far(Protocol):
    """The other OS processes of a system, as its root sees them when somebody looks."""

    async def look(self) -> None:
        """See what their agents do."""

    def facts(self, node: str, name: str) -> dict[str, Any] | None:
        """What an agent of a process was seen to do last; None while that is not known."""

    def nodes(self) -> list[NodeNow]:
        """They themselves, as they were seen last."""

    async def inspect(self, node: str, name: str, seconds: float | None = None) -> Inspection:
        """Look into an agent of a process, and for `seconds` at where its time goes."""
        ...

    async def look_through(
        self, node: str, name: str, seconds: float | None, within: float
    ) -> Seen | None:
        """See an agent of a process whose event loop may be blocked; None where that cannot be seen from here."""
        ...

    def where(self, name: str | None) -> str | None:
        """The process of an agent, if it is one of these; may be called in any thread."""

    async def close(self) -> None:
        """Wait for none of them any more."""


class NothingFar:
    """There are none."""

    async def look(self) -> None:
        """There is nothing to see."""

    def facts(self, node: str, name: str) -> dict[str, Any] | None:
        """Nothing is known."""
        return None

    def nodes(self) -> list[NodeNow]:
        """There are none."""
        return []

    async def inspect(self, node: str, name: str, seconds: float | None = None) -> Inspection:
        """There is none of them."""
        raise SupervisionError("not_found", f"there is no process {node!r}")

    async def look_through(
        self, node: str, name: str, seconds: float | None, within: float
    ) -> Seen | None:
        """There is none of them."""
        return None

    def where(self, name: str | None) -> str | None:
        """It is none of them."""
        return None

    async def close(self) -> None:
        """There is nothing to wait for."""


def _key(cell: Cell) -> tuple[Any, ...]:
    """What changes whenever its facts do, quicker to be had than those."""
    mailbox, incarnation = cell.mailbox, cell.incarnation
    queue = mailbox.taken, len(mailbox), mailbox.waiting
    if incarnation is None:
        return cell.status, cell.paused, cell.generation, *queue
    current, progress = incarnation.now.current, incarnation.now.progress
    return (
        cell.status,
        cell.paused,
        cell.generation,
        *queue,
        cell.failures,
        None if current is None else (current.id, current.attempt),
        None if progress is None else progress.moved,
        tuple(incarnation.asking.values()) if incarnation.asking else None,
    )


def _facts(cell: Cell, rate: float) -> dict[str, Any]:
    mailbox, incarnation = cell.mailbox, cell.incarnation
    return {
        "name": cell.name,
        "paused": cell.paused,
        "started": incarnation.began if incarnation is not None and cell.alive else None,
        "handling": _handled(incarnation) if incarnation is not None else None,
        "waiting": len(mailbox) + mailbox.waiting,
        "oldest": mailbox.oldest,
        "handled": mailbox.taken,
        "rate": rate,
        "failed": cell.failures,
        "last_error": cell.last_error,
        "tokens": incarnation.now.tokens if incarnation is not None else 0,
    }


def seen_now(cell: Cell, node: str) -> dict[str, Any]:
    """The part of an `AgentNow` that the OS process knows in which the agent runs."""
    return {
        **_facts(cell, 0.0),
        "kind": str(cell.kind),
        "status": str(cell.status),
        "node": node,
        "pid": os.getpid(),
        "restarts": cell.restarts,
    }


def _handled(incarnation: Incarnation) -> Handled | None:
    now = incarnation.now
    message = now.current
    if message is None:
        return None
    progress = now.progress
    moving = progress if progress is not None and progress.message_id == message.id else None
    told = moving.plain() if moving is not None else {}
    return {
        "message": message.id,
        "type": message.type,
        "sender": message.sender,
        "conversation": message.conversation,
        "run": message.run,
        "attempt": message.attempt,
        "since": now.since,
        "step": ends_of(told.get("step", ""), _STEP),
        "moved": told.get("moved"),
        "retry_at": told.get("retry_at"),
        "asks": sorted(set(incarnation.asking.values())),
        "tokens": moving.usage[3] if moving is not None else 0,
    }


def _memory() -> int | None:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
