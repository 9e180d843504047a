"""What a node tells the senders of its messages, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from civitas.cluster.frames import Kind
from civitas.cluster.peers import Peer

__all__ = ["Receipts"]


class Receipts:
    """Tells other nodes what this one has and what it is finished with: in the next turn of the loop, all at once.

    Args:
        loop: Finds the event loop of the node.
    """

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
        self._loop = loop
        self._finished: dict[Peer, list[str]] = {}
        self._had: dict[Peer, list[str]] = {}

    def finished(self, peer: Peer, message_id: str) -> None:
        """A message of `peer` is finished: that may forget it."""
        self._note(self._finished, peer, message_id)

    def has(self, peer: Peer, message_id: str) -> None:
        """A message came, and its sender waits for this node to have it."""
        self._note(self._had, peer, message_id)

    def _note(self, where: dict[Peer, list[str]], peer: Peer, message_id: str) -> None:
        if not self._finished and not self._had:
            self._loop().call_soon(self.tell)
        where.setdefault(peer, []).append(message_id)

    def tell(self) -> None:
        """Tell all now."""
        had, self._had = self._had, {}
        finished, self._finished = self._finished, {}
        for peer, ids in had.items():
            peer.signal(Kind.HELD, ids)
        for peer, ids in finished.items():
            peer.send(Kind.SETTLED, ids)
