"""`Overviews`: the whole system at this moment, as one structure of plain data."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from civitas.cluster import RemoteChild, RemoteConversation
from civitas.errors import ConfigurationError
from civitas.node import Node
from civitas.node.changes import Changes
from civitas.node.glance import AgentNow, NodeNow, Overview
from civitas.node.inspecting import Seen, looked_into
from civitas.node.profiling import check_seconds
from civitas.node.window import look_through
from civitas.process import Cell, ChildKind
from civitas.runtime.tree import pid_of
from civitas.supervision import Child

__all__ = ["Overviews"]

_NOTHING: Mapping[str, Any] = {
    "paused": False,
    "started": None,
    "handling": None,
    "waiting": 0,
    "oldest": None,
    "handled": 0,
    "rate": 0.0,
    "failed": 0,
    "last_error": "",
    "tokens": 0,
}
"""Of what handles no messages, or of what nothing is known."""
_SOON = 0.25
"""Seconds for a process to answer; then it is seen by its window whether its event loop is blocked."""
_PATIENCE = 2.0


class Overviews:
    """Looks at all agents of a system when asked; costs nothing otherwise.

    Args:
        system: Name of the system.
        node: The root's node.
        edge_url: Says where the HTTP edge can be reached.
    """

    def __init__(self, system: str, node: Node, edge_url: Callable[[], str | None]) -> None:
        self._system = system
        self._node = node
        self._edge_url = edge_url
        self._changes = Changes()
        self._keys: dict[str, tuple[Any, ...]] = {}
        self._looking = asyncio.Lock()
        self.windows: Path | None = None
        """The folder where the OS processes on this machine have their windows, if they have any."""

    async def look(self, root: Child, under: str | None, since: int | None) -> Overview:
        """What there is; see `Runtime.overview`."""
        async with self._looking:
            began = time.perf_counter()
            await asyncio.sleep(0)
            lag = time.perf_counter() - began
            await self._node.far.look()
            self._node.glances.look()
            self._changes.begin()
            there: set[str] = set()
            self._walk(root, None, None, None, there)
            self._changes.keep(there)
            for name in [each for each in self._keys if each not in there]:
                del self._keys[name]
            whole, changed, gone = self._changes.since(since)
        if under is not None:
            changed = self._below(under, changed)
        return {
            "version": self._changes.version,
            "time": time.time(),
            "system": self._system,
            "whole": whole,
            "agents": changed,
            "gone": gone,
            "nodes": [self._root_now(lag), *self._node.far.nodes()],
            "leader": lead.leader.plain() if (lead := self._node.lead) is not None else None,
            "edge": self._edge_url(),
            "questions": len(runs.table.questions) if (runs := self._node.runs) is not None else 0,
        }

    async def inspect(self, root: Child, name: str, seconds: float | None) -> dict[str, Any]:
        """One agent, looked into; see `Runtime.inspect`."""
        found = await self._looked_into(root, name, seconds)
        if budgets := await self._node.budgets.states_of(name):
            found["budgets"] = budgets
        return found

    async def _looked_into(self, root: Child, name: str, seconds: float | None) -> dict[str, Any]:
        if seconds is not None:
            check_seconds(seconds)
        (agent, *_) = (await self.look(root, name, None))["agents"]
        if agent["kind"] != ChildKind.AGENT:
            if seconds is not None:
                what = agent["kind"].replace("_", " ")
                raise ConfigurationError(
                    f"{name!r} is a {what}, which has no code of its own; profile an agent below it"
                )
            return dict(agent)
        node = self._node
        cell = node.registry.get(name)
        if isinstance(cell, Cell):
            return {**agent, **await looked_into(cell, node.loop, node.thread, seconds)}
        return {**agent, **await self._inspect_far(agent, seconds)}

    async def _inspect_far(self, agent: AgentNow, seconds: float | None) -> Mapping[str, Any]:
        """Look into an agent of another process; beside its event loop if that is blocked."""
        asking = asyncio.ensure_future(
            self._node.far.inspect(agent["node"], agent["name"], seconds)
        )
        try:
            answered, _ = await asyncio.wait({asking}, timeout=_SOON)
            if not answered:
                seen = await self._seen(agent, None)
                if seen is not None and seen["blocked"]:
                    if seconds is not None:
                        seen = await self._seen(agent, seconds) or seen
                    if seen["agent"] is not None:
                        return seen["agent"]
            return await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _seen(self, agent: AgentNow, seconds: float | None) -> Seen | None:
        """See an agent by the window of its process, or by the carrier where that is on another machine."""
        node, name = agent["node"], agent["name"]
        pid = os.getpid() if node == "root" else agent["pid"]
        if self.windows is not None and pid is not None:
            # Imported here: it brings the topology, which a program without one does without.
            from civitas.topology.state_folder import window_of

            seen = await look_through(window_of(self.windows, pid), name, seconds, _PATIENCE)
            if seen is not None and seen["node"] == node:
                return seen
        return await self._node.far.look_through(node, name, seconds, _PATIENCE)

    def _walk(
        self,
        child: Child,
        parent: str | None,
        left: int | None,
        due: float | None,
        there: set[str],
    ) -> None:
        """Note what has changed of a child and of all that is below it."""
        name = child.name
        there.add(name)
        children = getattr(child, "children", ())
        restarts_left = getattr(child, "restarts_left", None)
        if restarts_left is not None:
            left = restarts_left()
        far = child if isinstance(child, (RemoteChild, RemoteConversation)) else None
        if far is None:
            node, facts = "root", self._node.glances.facts.get(name)
        else:
            node, facts = far.node, self._node.far.facts(far.node, name)
        pid = pid_of(child)
        depth = getattr(child, "mailbox_depth", 0) if facts is None else 0
        next = self._node.scheduler.next_of(name)
        budget = self._node.treasury.left(f"{child.kind}:{name}")
        # Facts are replaced where they change, so that the object tells.
        paused = facts["paused"] if facts is not None else getattr(child, "paused", False)
        key = (
            paused,
            child.status,
            child.restarts,
            node,
            pid,
            left,
            due,
            next,
            depth,
            budget,
            facts,
            parent,
        )
        if not _same(self._keys.get(name), key):
            self._keys[name] = key
            now = {
                **_NOTHING,
                "waiting": depth,
                **(facts or {}),
                "paused": paused,
                "name": name,
                "kind": str(child.kind),
                "parent": parent,
                "status": str(child.status),
                "node": node,
                "pid": pid,
                "restarts": child.restarts,
                "restarts_left": left,
                "due": due,
                "next": next,
                "budget": budget,
            }
            self._changes.put(name, now)
        if not children:
            return
        dues: Mapping[str, float] = getattr(child, "dues", dict)()
        of_each = restarts_left if child.kind is ChildKind.CONVERSATION_POOL else None
        for each in children:
            its = of_each(each.name) if of_each is not None else left
            self._walk(each, name, its, dues.get(each.name), there)

    def _below(self, under: str, changed: list[AgentNow]) -> list[AgentNow]:
        facts = self._changes.facts
        if under not in facts:
            raise ConfigurationError(
                f"there is neither an agent nor a supervisor {under!r} to look at"
            )
        return [each for each in changed if _is_below(each, under, facts)]

    def _root_now(self, lag: float) -> NodeNow:
        now = {
            "name": "root",
            "status": "up",
            "pid": os.getpid(),
            "silent": 0.0,
            "lag": round(lag, 6),
            **self._node.glances.node(),
        }
        return cast("NodeNow", now)


def _same(one: tuple[Any, ...] | None, other: tuple[Any, ...]) -> bool:
    if one is None:
        return False
    return all(a is b or (type(a) is not dict and a == b) for a, b in zip(one, other, strict=True))


def _is_below(agent: AgentNow, under: str, facts: Mapping[str, AgentNow]) -> bool:
    """Whether it is `under` itself, or below it in the tree."""
    at: AgentNow | None = agent
    while at is not None:
        if at["name"] == under:
            return True
        at = facts.get(at["parent"]) if at["parent"] is not None else None
    return False
