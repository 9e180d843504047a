"""A conversation pool that runs in another OS process, as its supervisor sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.cluster.child import RemoteChild
from civitas.cluster.root_services import RootServices
from civitas.errors import SupervisionError
from civitas.process import ChildKind, ExitReason, Status
from civitas.supervision import Parent, Placed

if TYPE_CHECKING:
    from civitas.cluster.peers import Peer
    from civitas.events import Event

__all__ = ["RemoteConversation", "RemotePool"]

_STATUS_AT = {
    "crashed": Status.RESTARTING,
    "restarted": Status.RUNNING,
    "terminated": Status.TERMINATED,
}
"""What a conversation shows once this is told about it."""


@dataclass(slots=True)
class RemoteConversation:
    """A conversation of a pool in another process, as that said a moment ago."""

    name: str
    status: Status
    restarts: int
    mailbox_depth: int
    node: str
    pid: int | None
    kind = ChildKind.AGENT
    children = ()


class RemotePool(RemoteChild):
    """A conversation pool of a member, from its supervisor's side.

    Args:
        spec: What the topology says.
        root: The root.
        parent: Its own supervisor.
    """

    budget = None  # those of its agents are known where they are

    def __init__(self, spec: Placed, root: RootServices, parent: Parent) -> None:
        super().__init__(spec, root, parent)
        self.parent: Parent | None = parent
        self._conversations: dict[str, RemoteConversation] = {}

    @property
    def mailbox_depth(self) -> int:
        """A pool has no mailbox; its conversations have."""
        return 0

    @property
    def children(self) -> list[Any]:
        """The conversations that are awake."""
        return list(self._conversations.values())

    def is_awake(self, conversation: str) -> bool:
        """Whether a conversation is awake, as its process said a moment ago."""
        return conversation in self._conversations

    def reported(self, facts: Any) -> None:
        """Its process says which conversations came or changed, and which went to sleep."""
        changed, asleep = facts
        for name, status, restarts, depth in changed:
            self._conversations[name] = RemoteConversation(
                name, Status(status), restarts, depth, self.node, self.pid
            )
        for name in asleep:
            self._conversations.pop(name, None)

    def happened(self, event: Event) -> None:
        """Show what its process reports about a conversation, before anybody is told."""
        status, conversation = _STATUS_AT.get(event.type), self._conversations.get(event.name)
        if status is not None and conversation is not None:
            conversation.status = status

    def lost(self, peer: Peer, reason: ExitReason) -> None:
        """Show that a process is gone, which may be the one that this ran in, with all conversations."""
        if self._peer is peer:
            self._conversations.clear()
        super().lost(peer, reason)

    def node_is_down(self, peer: Peer, reason: ExitReason) -> None:
        """A process is gone; it may be the one that this ran in, with all conversations."""
        if self._peer is peer:
            self._root.conversations_are_down(self.name, reason)
        super().node_is_down(peer, reason)

    async def start_child(self, spec: Any) -> None:
        """Refused: conversations begin with their first message."""
        raise SupervisionError(
            "not_found",
            f"the children of {self.name!r} are its conversations; send to {self.name!r}",
        )

    async def terminate_child(self, name: str) -> None:
        """Stop a conversation."""
        await self._administer("terminate_child", name)

    async def pause_conversation(self, name: str, paused: bool) -> None:
        """Let a conversation take no messages behind the one in hand, or go on."""
        if self._peer is not None:
            await self._root.calls.call(self._peer, "pause", name, paused)

    async def recycle(self, name: str) -> None:
        """Stop a conversation and start it again."""
        await self._administer("recycle", name)

    async def _administer(self, what: str, name: str) -> None:
        if self._peer is None:
            raise SupervisionError(
                "restarting", f"the process {self.node!r} of {self.name!r} is down; try again"
            )
        await self._root.calls.call(self._peer, what, self.name, name)
