"""The agents that a member hosts for the root."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

from civitas.cluster.failures import dump_reason
from civitas.cluster.peers import Peer
from civitas.cluster.recipe import follow
from civitas.errors import StartFailed, SupervisionError
from civitas.process import AgentProcess, Cell, Delivery, ExitReason, Status
from civitas.supervision import ConversationPool, ConversationPoolProcess
from civitas.supervision.policy import should_restart

__all__ = ["Hosted", "Hosting", "Maker"]

Hosted: TypeAlias = Cell | ConversationPoolProcess

_REPORT_EVERY = 0.25
"""Seconds between two looks at what waits in the mailboxes."""
_SHARE_OF_REPORTS = 0.02
"""Such looks take no more of the time than this, however many conversations are awake."""


class Maker(Protocol):
    """Makes the agents of a member."""

    def __call__(self, name: str) -> AgentProcess | ConversationPool:
        """Make what the topology calls `name`; imports its module.

        Raises:
            BaseException: Whatever its module or constructor raises.
        """


class Hosting:
    """Starts, stops and watches agents as the root says, and tells it what becomes of them.

    Args:
        name: Of the process.
        make: Makes the agents.
        settle_in: Makes room for what was made, under its name and the one that it stands behind.
        tell_root: Says something to the root.
        expect: Called with the name of an agent that is about to start, and what the root says of it.
    """

    def __init__(
        self,
        name: str,
        make: Maker,
        settle_in: Callable[[AgentProcess | ConversationPool, str, str], Hosted],
        tell_root: Callable[..., None],
        expect: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._name = name
        self._expect = expect
        self._make = make
        self._settle_in = settle_in
        self._tell_root = tell_root
        self._hosted: dict[str, Hosted] = {}
        self._runs: dict[str, int] = {}
        """Which start of each the root was told about last."""
        self._specs: dict[str, Mapping[str, Any]] = {}
        """How the root said that each is to be made."""
        self._ends: dict[str, dict[str, Any]] = {}
        """Why each ended that does not run."""
        self._left: set[str] = set()
        """Those that the last root left, and that this one has not asked for yet."""
        self._spawned: dict[str, AgentProcess] = {}
        self._reported: dict[str, Any] = {}
        """What the root was told last: of an agent what waits, of a pool its conversations."""
        self._doings: dict[str, Any] | None = None
        """What it was told last that durable agents do, by the ids of their messages."""
        self._next_report: asyncio.TimerHandle | None = None

    # What the root calls for.

    async def start(self, _: Peer, name: str, run: int, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Start an agent, and return its options, as its supervisor needs them."""
        child = self._hosted.get(name)
        left_by: dict[str, Any] = {}
        if name in self._left and child is not None:
            self._left.discard(name)
            if child.status is Status.RUNNING and _same(self._specs[name], spec):
                self._runs[name] = run  # another root takes it over as it runs
                return {**self._options_of(child), "conversations": _conversations_of(child)}
            if name in self._ends:
                left_by = {"left_by": self._ends[name]}
            await child.stop()  # whatever the last root was doing with it
            if not _same(self._specs[name], spec):
                self.discard(_, name)
                child = None
        if child is None:
            child = self._hosted[name] = self._host(name, spec)
        self._specs[name] = {**spec, "new": False}
        self._runs[name] = run
        self._expect(name, spec)
        child.pause(spec.get("paused", child.paused))
        if isinstance(child, Cell):
            try:
                await child.start(
                    lambda reason: _show_end(child, reason)
                )  # its node says how it exits
            except StartFailed:
                child.status = Status.RESTARTING  # or its supervisor closes it
                raise
        else:
            await child.start(lambda reason: self.exited(name, reason))
        self._ends.pop(name, None)
        return {**self._options_of(child), **left_by}

    def _options_of(self, child: Hosted) -> dict[str, Any]:
        if isinstance(child, Cell):
            options, max_live = child.template._civitas_options, 0
        else:
            options, max_live = child.pool.child._civitas_options, child.pool.max_live
        return {
            "restart": child.restart,
            "shutdown_timeout": options.shutdown_timeout,
            "size": options.mailbox_size,
            "delivery": options.delivery,
            "max_deliveries": options.max_deliveries,
            "schedule": None if options.schedule is None else options.schedule.plain(),
            "max_live": max_live,
            "gives_up": options.cancel_on_timeout,
        }

    def _host(self, name: str, spec: Mapping[str, Any]) -> Hosted:
        made: AgentProcess | ConversationPool
        recipe, family = spec.get("recipe"), spec.get("family", "")
        if name in self._spawned:
            made = self._spawned[name]
        elif recipe is not None:
            made = follow(recipe)
        else:
            made = self._make(family or name)
        return self._settle_in(made, name, family)

    async def stop(self, _: Peer, name: str, why: str) -> None:
        """Stop one."""
        child = self._hosted.get(name)
        if child is not None:
            await child.stop(why)

    async def awake(self, _: Peer, name: str) -> list[str]:
        """The conversations of a pool that are awake."""
        return [each.name for each in getattr(self._hosted.get(name), "children", ())]

    async def terminate_child(self, _: Peer, pool: str, name: str) -> None:
        """Stop a conversation."""
        await self._pool(pool).terminate_child(name)

    async def recycle(self, _: Peer, pool: str, name: str) -> None:
        """Stop a conversation and start it again."""
        await self._pool(pool).recycle(name)

    def get(self, name: str) -> Hosted | None:
        """What is hosted under a name; None for nothing."""
        return self._hosted.get(name)

    def _pool(self, name: str) -> ConversationPoolProcess:
        pool = self._hosted.get(name)
        if not isinstance(pool, ConversationPoolProcess):
            raise SupervisionError("not_found", f"there is no pool {name!r} in {self._name!r}")
        return pool

    def hold(self, _: Peer, name: str) -> None:
        """One will be started again: let messages wait for that."""
        if name in self._hosted:
            self._hosted[name].wait_for_restart()

    def refuse_asks(self, _: Peer, name: str, why: str) -> None:
        """One is about to be stopped for good."""
        if name in self._hosted:
            self._hosted[name].refuse_asks(why)

    def close(self, _: Peer, name: str, why: str) -> None:
        """One will not be started again."""
        if name in self._hosted:
            self._hosted[name].close(Status.STOPPED, why)

    def discard(self, _: Peer, name: str) -> None:
        """The spec of one is gone."""
        child = self._hosted.pop(name, None)
        self._runs.pop(name, None)
        self._specs.pop(name, None)
        self._left.discard(name)
        self._ends.pop(name, None)
        self._spawned.pop(name, None)
        if child is not None:
            child.discard()

    # For the root that leads next.

    def taken_over(self) -> None:
        """Another root leads: it takes over what runs here."""
        self._left = set(self._hosted)
        self._reported, self._doings = {}, None

    def listed(self) -> dict[str, Mapping[str, Any]]:
        """What is hosted here that no root has asked for since: how each was to be made."""
        return {name: self._specs[name] for name in self._left if name in self._specs}

    # What the root is told.

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of an agent, or of a conversation, has exited."""
        plain = dump_reason(reason)
        if name in self._hosted:
            self._ends[name] = plain
        self._tell_root("exited", name, self._runs.get(name, 0), plain)

    def report(self) -> None:
        """Tell what changed in the mailboxes here since the last time, and go on doing so."""
        began = time.perf_counter()
        now = {name: _state_of(each) for name, each in self._hosted.items()}
        before, self._reported = self._reported, now
        changed = {
            name: state if type(state) is int else _difference(before.get(name, {}), state)
            for name, state in now.items()
            if before.get(name) != state
        }
        if changed:
            self._tell_root("report", changed)
        doings = {told["message"]: told for each in self._hosted.values() for told in _doings(each)}
        if doings != self._doings:
            self._doings = doings
            self._tell_root("doing", doings)
        pause = max(_REPORT_EVERY, (time.perf_counter() - began) / _SHARE_OF_REPORTS)
        self._next_report = asyncio.get_running_loop().call_later(pause, self.report)

    # For agents that spawn others.

    def will_host(self, agent: AgentProcess) -> None:
        """The root is about to have this one started here."""
        self._spawned[agent.name] = agent

    def will_not_host(self, name: str) -> None:
        """It was not started, unless it was."""
        if name not in self._hosted:
            self._spawned.pop(name, None)

    # The end.

    async def stop_all(self) -> None:
        """Stop all of them: the process ends."""
        if self._next_report is not None:
            self._next_report.cancel()
        await asyncio.gather(*(each.stop() for each in self._hosted.values()))
        for child in list(self._hosted.values()):
            child.close(Status.TERMINATED, f"its process {self._name!r} ends")


def _conversations_of(child: Hosted) -> list[str]:
    """Those that would begin a second time elsewhere, if another of its name had them now."""
    if isinstance(child, Cell):
        return sorted(child.conversations)
    return [each.name.removeprefix(f"{child.name}/") for each in child.children]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an agent is to be made in the same way."""
    return all(one.get(key) == other.get(key) for key in ("kind", "recipe", "family"))


def _show_end(cell: Cell, reason: ExitReason) -> None:
    """Show that an agent waits to be started again; the root need not say so."""
    if should_restart(cell.restart, reason):
        cell.status = Status.RESTARTING


def _state_of(child: Hosted) -> Any:
    """What the root shows of an agent, or of the conversations of a pool by their names."""
    if isinstance(child, Cell):
        return len(child.mailbox)
    return {
        each.name: (str(each.status), each.restarts, len(each.mailbox))
        for each in child.children
        if isinstance(each, Cell)
    }


def _doings(child: Hosted) -> Iterator[dict[str, Any]]:
    """What a durable agent does, or each conversation of a pool, with the message in hand."""
    cells = (child,) if isinstance(child, Cell) else child.children
    for cell in cells:
        if not isinstance(cell, Cell) or cell.delivery is not Delivery.DURABLE:
            continue
        if (told := cell.doing) is not None:
            yield told


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Any]:
    """The conversations of a pool that came or changed, and the names of those that went to sleep."""
    changed = [[name, *state] for name, state in now.items() if before.get(name) != state]
    return [changed, [name for name in before if name not in now]]
