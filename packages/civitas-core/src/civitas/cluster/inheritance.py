"""What a process hosts that another root left: what was spawned is taken over, too, and the rest is ended."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.peers import Peer
from civitas.errors import NodeDown, StartFailed, SupervisionError
from civitas.supervision import DynamicSupervisorProcess, Parent, Placed

__all__ = ["Inheritance"]


class Supervised(Protocol):
    """The tree that the agents are to have a place in."""

    supervisors: dict[str, Parent]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Gives what a process hosts a place in the tree of the root that leads now.

    Attributes:
        tree: The tree.
        children: The agents of other processes that have a place there.
        calls: To the processes.
    """

    tree: Supervised
    children: Container[str]
    calls: Calls

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
