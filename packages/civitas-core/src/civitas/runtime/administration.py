"""Child administration by name, for the outside and for agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from civitas.cluster import RemoteChild
from civitas.cluster.remote_pool import RemotePool
from civitas.errors import ConfigurationError, SupervisionError
from civitas.errors.hints import did_you_mean
from civitas.node import Node
from civitas.node.administration import administering, agents_below
from civitas.process import Cell, ChildKind, Status
from civitas.process.options import check_is_name, positive
from civitas.supervision import (
    Child,
    ChildSpec,
    ConversationPoolProcess,
    Parent,
    SupervisorProcess,
)

__all__ = ["Administration"]

_ACTIVE = (Status.STARTING, Status.RUNNING, Status.STOPPING)


class Administration:
    """Finds the supervisor that is meant, and sees to it that no agent waits for its own end.

    `Runtime` describes the calls.

    Args:
        node: Knows the supervisors.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start_child(self, supervisor: str, child: ChildSpec) -> None:
        """Add a child and start it."""
        parent = self._parent(supervisor)
        starts = agents_below(child)
        with administering(self._node, parent, "start_child", waits_for=starts):
            await parent.start_child(child)

    async def terminate_child(self, supervisor: str, name: str) -> None:
        """Stop a child."""
        parent = self._parent(supervisor)
        with self._ending(parent, "terminate_child", name):
            await parent.terminate_child(name)

    async def restart_child(self, supervisor: str, name: str) -> None:
        """Start a child that was terminated or has ended."""
        parent = self._static(supervisor)
        starts = _below(parent, name)
        with administering(self._node, parent, f"restart_child({name!r})", waits_for=starts):
            await parent.restart_child(name)

    async def delete_child(self, supervisor: str, name: str) -> None:
        """Forget a child that does not run."""
        parent = self._static(supervisor)
        with administering(self._node, parent, f"delete_child({name!r})"):
            await parent.delete_child(name)

    async def restart(self, name: str) -> None:
        """Stop an agent or a supervisor and start it again."""
        owner = self._parent(self.owner_of(name))
        with self._ending(owner, "restart", name):
            await owner.recycle(name)

    async def scale(self, name: str, replicas: int, *, at_least: bool = False) -> None:
        """Let so many OS processes stand behind a name."""
        positive(replicas, "replicas", whole=True)
        supervisor = self._static(name)
        scaling = getattr(self._node, "scaling", None)  # a system of one OS process has none
        if scaling is None:
            raise ConfigurationError(f"{name!r} has no replicas: the system has one OS process")
        with administering(self._node, supervisor, f"scale({name!r})", waits_for=[name]):
            await scaling.scale(supervisor, replicas, at_least=at_least)

    async def pause(self, name: str, paused: bool) -> None:
        """Let an agent, or all below a supervisor, take no messages, or go on."""
        found: Parent | None = self._node.supervisors.get(name)
        owner = self._node.owner(name)
        if found is None and owner is None:
            raise self._unknown(name)
        targets = (each for each in (owner.children if owner else ()) if each.name == name)
        await self._pause(next(targets, found), owner, paused)

    async def _pause(self, child: Child | None, owner: Child | None, paused: bool) -> None:
        if isinstance(child, (Cell, ConversationPoolProcess)):
            child.pause(paused)
        elif isinstance(child, RemoteChild):
            await child.pause(paused)
        elif child is not None and isinstance(owner, RemotePool):
            await owner.pause_conversation(child.name, paused)
        elif child is not None:
            for each in getattr(child, "children", ()):
                await self._pause(each, child, paused)

    def owner_of(self, name: str) -> str:
        """The name of the supervisor of an agent or a supervisor."""
        owner = self._node.owner(name)
        if owner is not None:
            return owner.name
        if name in self._node.supervisors:
            why = f"{name!r} is the root of the tree: to stop or restart it is to stop or restart the system"
            raise SupervisionError("not_found", why)
        raise self._unknown(name)

    def _unknown(self, name: str) -> SupervisionError:
        hint = did_you_mean(name, [*self._node.owners, *self._node.supervisors])
        return SupervisionError("not_found", f"there is no agent or supervisor {name!r}{hint}")

    def which_children(self, supervisor: str) -> list[dict[str, str]]:
        """The children of a supervisor, in start order."""
        return [
            {"name": child.name, "kind": str(child.kind), "status": str(child.status)}
            for child in self._parent(supervisor).children
        ]

    def count_children(self, supervisor: str) -> dict[str, int]:
        """How many children a supervisor has, by what they are."""
        children = self._parent(supervisor).children
        workers = sum(child.kind is ChildKind.AGENT for child in children)
        return {
            "specs": len(children),
            "active": sum(child.status in _ACTIVE for child in children),
            "supervisors": len(children) - workers,
            "workers": workers,
        }

    def _ending(self, parent: Parent, what: str, name: str) -> AbstractContextManager[None]:
        call = f"{what}({name!r})"
        below = _below(parent, name)
        return administering(self._node, parent, call, ends=name, waits_for=below)

    def _parent(self, name: str) -> Parent:
        check_is_name(name, "the supervisor")
        parent = self._node.supervisors.get(name)
        if parent is None:
            hint = did_you_mean(name, self._node.supervisors)
            if not self._node.supervisors:
                hint = ": the runtime is not running. Use it inside `async with Runtime(...)`"
            raise SupervisionError("not_found", f"there is no supervisor {name!r}{hint}")
        return parent

    def _static(self, name: str) -> SupervisorProcess:
        parent = self._parent(name)
        if not isinstance(parent, SupervisorProcess):
            raise SupervisionError(
                "not_found", f"{name!r} is dynamic: it keeps no spec of a child that ended"
            )
        return parent


def _below(parent: Parent, name: str) -> Iterator[str]:
    """The agents that the child `name` stands for."""
    # Looked at for an agent's call alone: of ten thousand children, the look is the most of the work.
    for child in parent.children:
        if child.name == name:
            yield from agents_below(child)
