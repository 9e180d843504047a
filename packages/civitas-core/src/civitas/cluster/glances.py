"""`FarGlances`: what the agents of other OS processes do, as the root learns it when somebody looks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.looking import look_from_afar
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.peers import Peer
from civitas.cluster.seal import Seal
from civitas.errors import CivitasError, NodeDown
from civitas.node.glance import NodeNow
from civitas.node.inspecting import Inspection, Seen
from civitas.node.registry import Registry
from civitas.transport.contract import Transport

__all__ = ["FarGlances"]

_PATIENCE_OF_ONE = 3.0
"""Seconds for a process to tell all about one agent."""
_TOP = "Look at the processes with `civitas top`"
_THERE = "`civitas inspect` on the machine of that process shows where it is blocked"
_PATIENCE = 0.25
"""Seconds for a process to tell; one whose event loop is blocked is shown as it was, and not asked again meanwhile."""


@dataclass(slots=True)
class _Seen:
    """What is known of one process."""

    peer: Peer
    version: int = 0
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    node: dict[str, Any] = field(default_factory=dict)
    asked: float = 0.0
    lag: float = 0.0
    asking: asyncio.Task[None] | None = None

    @property
    def silent(self) -> float:
        """For how many seconds it has not answered."""
        waits = self.asking is not None and not self.asking.done()
        return time.monotonic() - self.asked if waits else 0.0


class FarGlances:
    """Asks the members what has changed there.

    Args:
        roster: The members.
        calls: To them.
        names: What the root knows of each name.
        transport: Of the root.
        seal: Of the system.
    """

    def __init__(
        self,
        roster: Roster,
        calls: Calls,
        names: Registry,
        transport: Transport,
        seal: Seal,
    ) -> None:
        self._roster = roster
        self._calls = calls
        self._names = names
        self._transport = transport
        self._seal = seal
        self._seen: dict[str, _Seen] = {}

    async def look(self) -> None:
        """Ask all of them, and wait a moment for those that do not answer."""
        waiting: list[asyncio.Task[None]] = []
        for member in self._roster:
            peer, seen = member.peer, self._seen.get(member.name)
            if peer is None:
                self._seen.pop(member.name, None)
                continue
            if seen is None or seen.peer is not peer:
                seen = self._seen[member.name] = _Seen(peer)
            if seen.asking is None or seen.asking.done():
                seen.asked = time.monotonic()
                seen.asking = asyncio.create_task(self._ask(seen))
            waiting.append(seen.asking)
        if waiting:
            await asyncio.wait(waiting, timeout=_PATIENCE)

    async def _ask(self, seen: _Seen) -> None:
        try:
            told = await self._calls.call(seen.peer, "look", seen.version)
        except CivitasError:  # it went, or is of a version that does not know this
            return
        seen.lag = time.monotonic() - seen.asked
        seen.version, seen.node = told["version"], told["node"]
        if told["whole"]:
            seen.agents.clear()
        for facts in told["agents"]:
            seen.agents[facts["name"]] = facts
        for name in told["gone"]:
            seen.agents.pop(name, None)

    def facts(self, node: str, name: str) -> dict[str, Any] | None:
        """What an agent of a process does; None while that is not known."""
        seen = self._seen.get(node)
        return seen.agents.get(name) if seen is not None else None

    def nodes(self) -> list[NodeNow]:
        """All of the processes."""
        return [self._node(member) for member in self._roster]

    def _node(self, member: Member) -> NodeNow:
        seen = self._seen.get(member.name)
        told = seen.node if seen is not None else {}
        return {
            "name": member.name,
            "status": member.state,
            "pid": member.pid,
            "host": told.get("host", ""),
            "started": told.get("started"),
            "silent": round(seen.silent, 3) if seen is not None else 0.0,
            "lag": round(seen.lag, 6) if seen is not None else 0.0,
            "cpu": told.get("cpu", 0.0),
            "memory": told.get("memory"),
            "asks": told.get("asks", 0),
            "agents": told.get("agents", 0),
        }

    async def inspect(self, node: str, name: str, seconds: float | None = None) -> Inspection:
        """Look into an agent of a process, and for `seconds` at where its time goes.

        Raises:
            NodeDown: The process is down, or did not answer in time.
            SupervisionError: There is no such agent.
        """
        peer = self._roster[node].peer
        if peer is None:
            raise NodeDown(name, node, f"its process {node!r} is down", advice=_TOP)
        try:
            async with asyncio.timeout(_PATIENCE_OF_ONE + (seconds or 0.0)):
                inspection: Inspection = await self._calls.call(peer, "inspect", name, seconds)
        except TimeoutError:
            why = f"its process {node!r} does not answer: its event loop is blocked, or it stands"
            raise NodeDown(name, node, why, advice=_THERE) from None
        return inspection

    async def look_through(
        self, node: str, name: str, seconds: float | None, within: float
    ) -> Seen | None:
        """Look into an agent of a process whose event loop may be blocked; see `look_from_afar`."""
        member = self._roster.get(node)
        peer = member.peer if member is not None else None
        if peer is None:
            return None
        return await look_from_afar(
            self._transport, self._seal, peer.address, name, seconds, within
        )

    def where(self, name: str | None) -> str | None:
        """The process of an agent or a conversation; None if that is not known, as that of a replica."""
        if name is None:
            return None
        found = self._names.get(name) or self._names.pools.get(name.partition("/")[0])
        return found.facts.node if isinstance(found, (Elsewhere, ElsewherePool)) else None

    async def close(self) -> None:
        """Wait for nobody any more."""
        asking = [each.asking for each in self._seen.values() if each.asking is not None]
        self._seen.clear()
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
