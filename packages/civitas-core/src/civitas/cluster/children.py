"""The children of the tree that run in other OS processes, as the root keeps them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from civitas.cluster.child import Home, RemoteChild, RemotePool
from civitas.cluster.failures import load_reason
from civitas.cluster.peers import Peer
from civitas.events import Event
from civitas.process import ChildKind, ExitReason
from civitas.supervision import Parent, Placed

__all__ = ["RemoteChildren"]


class RemoteChildren:
    """The agents and pools of other processes, by name.

    Args:
        exited: Called when an incarnation of a name has exited.
        watched: The names that somebody watches.
        passed_on: Called with what a process reports about what happened there.
    """

    def __init__(
        self,
        exited: Callable[[str, ExitReason], None],
        watched: Callable[[], Collection[str]],
        passed_on: Callable[[Event], None],
    ) -> None:
        self._exited = exited
        self._watched = watched
        self._passed_on = passed_on
        self._children: dict[str, RemoteChild] = {}

    def get(self, name: str) -> RemoteChild | None:
        """The child of that name; None if it is not there, or of this process."""
        return self._children.get(name)

    def pool_of(self, conversation: str) -> RemotePool | None:
        """The pool of another process that a conversation is of."""
        pool = self._children.get(conversation.partition("/")[0]) if "/" in conversation else None
        return pool if isinstance(pool, RemotePool) else None

    def add(self, placed: Placed, home: Home, owner: Parent) -> RemoteChild:
        """Make room for one."""
        pool = placed.kind is ChildKind.CONVERSATION_POOL
        child = RemotePool(placed, home, owner) if pool else RemoteChild(placed, home)
        self._children[placed.name] = child
        return child

    def remove(self, name: str) -> RemoteChild | None:
        """The spec of one is gone; returns what it was."""
        return self._children.pop(name, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._children.clear()

    # What happens to their processes.

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: show that of each agent in it."""
        for child in self._children.values():
            child.lost(peer, reason)

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: each agent in it has crashed."""
        for child in list(self._children.values()):
            child.node_is_down(peer, reason)

    def conversations_are_down(self, pool: str, reason: ExitReason) -> None:
        """The process of a pool is gone, and every conversation with it."""
        for name in self._watched():
            if name.startswith(f"{pool}/"):
                self._exited(name, reason)

    # What their processes tell.

    def has_exited(self, _: Peer, name: str, run: int, plain: dict[str, Any]) -> None:
        """An incarnation of an agent, or of a conversation, has exited."""
        reason = load_reason(plain)
        self._exited(name, reason)
        child = self._children.get(name)
        if child is not None:
            child.ended(run, reason)

    def happened(self, _: Peer, *fields: Any) -> None:
        """Something happened there that the root's listeners are told, too."""
        event = Event(*fields)
        pool = self.pool_of(event.name)
        if pool is not None:
            pool.happened(event)
        self._passed_on(event)

    def reported(self, _: Peer, report: Mapping[str, Any]) -> None:
        """What waits in the mailboxes there."""
        for name, state in report.items():
            if name in self._children:
                self._children[name].reported(state)
