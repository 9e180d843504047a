"""The children of the tree that run in other OS processes, as the root keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from civitas.cluster.child import RemoteChild
from civitas.cluster.failures import load_reason
from civitas.cluster.peers import Peer
from civitas.cluster.remote_pool import RemotePool
from civitas.cluster.root_services import RootServices
from civitas.events import Event, EventType
from civitas.node.events import Events
from civitas.node.monitors import Monitor, Monitors
from civitas.process import ChildKind, ExitReason
from civitas.supervision import Parent, Placed

__all__ = ["RemoteChildren"]


class RemoteChildren(dict[str, RemoteChild]):
    """The agents and pools of other processes, by name.

    Args:
        exited: Called when an incarnation of a name has exited.
        monitors: Those that the root holds.
        events: Takes what a process reports about what happened there.
        holder: Finds the name of the pool that a conversation lives in; empty if nobody has it.
    """

    def __init__(
        self,
        exited: Callable[[str, ExitReason], None],
        monitors: Monitors,
        events: Events,
        holder: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._exited = exited
        self._watched = monitors.targets
        monitors.over = self._watch_is_over
        self._events = events
        self._holder = holder

    def pool_of(self, conversation: str) -> RemotePool | None:
        """The pool of another process that a conversation is of."""
        pool = self.get(self._holder(conversation)) if "/" in conversation else None
        return pool if isinstance(pool, RemotePool) else None

    def add(self, placed: Placed, root: RootServices, owner: Parent) -> RemoteChild:
        """Make room for one."""
        pool = placed.kind is ChildKind.CONVERSATION_POOL
        child = RemotePool(placed, root, owner) if pool else RemoteChild(placed, root, owner)
        self[placed.name] = child
        return child

    def _watch_is_over(self, monitor: Monitor) -> None:
        """An agent watches another no more: let its process know that no root is to go on with that."""
        child = self.get(monitor.watcher) or self.pool_of(monitor.watcher)
        if child is not None and child.peer is not None:
            child.peer.cast("watch_is_over", monitor.ref)

    # What happens to their processes.

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: show that of each agent in it."""
        for child in self.values():
            child.lost(peer, reason)

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone: each agent in it has crashed."""
        for child in list(self.values()):
            child.node_is_down(peer, reason)

    def conversations_are_down(self, pool: str, reason: ExitReason) -> None:
        """The process of a pool is gone, and every conversation with it."""
        for name in self._watched():
            if "/" in name and self._holder(name) == pool:
                self._exited(name, reason)

    # What their processes tell.

    def has_exited(self, _: Peer, name: str, run: int, plain: dict[str, Any]) -> None:
        """An incarnation of an agent, or of a conversation, has exited."""
        reason = load_reason(plain)
        child = self.get(name)
        if child is not None:
            child.has_exited(run, reason)
        else:
            self._exited(name, reason)

    def happened(self, _: Peer, type: EventType, name: str, *rest: Any) -> None:
        """Something happened there that the root's listeners are told, too."""
        pool = self.pool_of(name) if "/" in name else None
        if pool is None and not self._events.callbacks[type]:
            return
        event = Event(type, name, *rest)
        if pool is not None:
            pool.happened(event)
        self._events.pass_on(event)

    def reported(self, _: Peer, report: Mapping[str, Any]) -> None:
        """What waits in the mailboxes there."""
        for name, state in report.items():
            if name in self:
                self[name].reported(state)
