"""What another root left: what was spawned in a process, and what the agents there watch, goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.children import RemoteChildren
from civitas.cluster.failures import node_down
from civitas.cluster.peers import Peer
from civitas.errors import NodeDown, StartFailed, SupervisionError
from civitas.node import Registry
from civitas.node.monitors import Monitor, Monitors
from civitas.supervision import DynamicSupervisorProcess, Parent, Placed

__all__ = ["Inheritance"]


class Supervised(Protocol):
    """The tree that the agents are to have a place in."""

    supervisors: dict[str, Parent]
    registry: Registry

    async def is_alive(self, name: str) -> bool:
        """Whether an incarnation of an agent runs."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Gives what a process hosts a place in the tree of the root that leads now.

    Attributes:
        tree: The tree.
        children: The agents of other processes that have a place there.
        calls: To the processes.
        monitors: Those that are held here.
        tell: Tells whoever watches that an agent has exited: why, and the error.
    """

    tree: Supervised
    children: RemoteChildren
    calls: Calls
    monitors: Monitors
    tell: Callable[[Monitor, str, str | None], None]

    async def take(self, peer: Peer, agents: Mapping[str, Any]) -> None:
        """A process that was taken over hosts these; how each was made, by name."""
        for name, spec in agents.items():
            if name in self.children:
                continue
            owner = self.tree.supervisors.get(spec.get("owner", ""))
            if spec.get("recipe") is not None and isinstance(owner, DynamicSupervisorProcess):
                with suppress(StartFailed, SupervisionError):  # the supervisor says why
                    await owner.start_child(Placed(name, peer.name, recipe=spec["recipe"]))
            else:
                with suppress(NodeDown):
                    why = "the root that leads now does not have it"
                    await self.calls.call(peer, "stop", name, why)
                peer.cast("discard", name)

    async def watch_on(self, monitors: Iterable[Sequence[str]]) -> None:
        """Agents watch others: those that run on are watched on, and of the rest they are told."""
        for ref, watcher, target in monitors:
            self.monitors.add(watcher, target, ref)
            if not await self._runs_on(target) and self.monitors.remove(ref):
                child = self.children.get(target)
                reason = None if child is None else child.left_by
                reason = reason or node_down("root", "", "it ended with the root before this one")
                error = str(reason.failure) if reason.failure else None
                self.tell(Monitor(ref, watcher, target), str(reason.kind), error)

    async def _runs_on(self, name: str) -> bool:
        """Whether the incarnation of an agent that the last root knew runs on, as far as that is known."""
        if (child := self.children.get(name)) is not None:
            return child.runs_on
        if name in self.tree.registry.groups or self.children.pool_of(name) is not None:
            return await self.tree.is_alive(name)
        return False
