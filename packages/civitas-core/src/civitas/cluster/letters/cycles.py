"""Asks that would wait for themselves, over several nodes.

Edge chasing (Chandy, Misra and Haas 1983): the ask that closes a circle finds all its other edges there, so it is found
out whoever was last. An edge is the id of an ask: who answered already has it no more, though its answer may still be
on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from civitas.cluster.frames import Kind
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.origin import FromPeer
from civitas.cluster.peers import Peer, Peers
from civitas.node import Origin, Recipient, Registry

__all__ = ["Cycles"]


@dataclass(frozen=True, slots=True)
class Cycles:
    """Finds circles of asks that lead through this node.

    Attributes:
        name: Of this node.
        registry: Its agents, and whom each waits for.
        peers: The other nodes.
        foreign: What came from them and is not finished.
        closes: Ends an ask of this node, by its id, that would wait for itself; the circle is told.
    """

    name: str
    registry: Registry
    peers: Peers
    foreign: Mapping[str, Origin]
    closes: Callable[[str, list[str]], None]

    def waits(self, ask_id: str, asker: str, asked: str) -> None:
        """An agent here is about to wait for another here, which may wait for one elsewhere."""
        self.follow(ask_id, self.name, [asker, asked])

    def follow(self, ask_id: str, node: str, path: list[str]) -> tuple[list[str], str] | None:
        """Whether the last of `path`, an agent of this node, waits for the first.

        Edges that lead to other nodes are followed there.

        Args:
            ask_id: Of the ask that may close a circle.
            node: Of its asker.
            path: From its asker on, who waits for whom.

        Returns:
            The circle and its last edge.
        """
        last = self.registry.get(path[-1])
        for edge, name in tuple(last.asking.items()) if last is not None else ():
            if name == path[0]:
                return [*path, name], edge
            if name in path:
                continue
            found = self._known(name)
            if isinstance(found, Elsewhere):
                peer = self.peers.get(found.boot or "")
                if peer is not None:
                    peer.signal(Kind.PROBE, ask_id, node, [*path, name], edge)
            elif circle := self.follow(ask_id, node, [*path, name]):
                return circle
        return None

    def probed(self, _: Peer, ask_id: str, node: str, path: list[str], edge: str) -> None:
        """Another node follows an edge to here: does this wait lead back?"""
        origin = self.foreign.get(edge)
        if not isinstance(origin, FromPeer):
            return
        if isinstance(origin.cell, Elsewhere):
            # It was handed on: whoever asked waits for the one that the message was given to.
            peer = self.peers.get(origin.cell.boot or "")
            if peer is not None:
                peer.signal(Kind.PROBE, ask_id, node, [*path[:-1], origin.cell.name], edge)
        elif path[0] == path[-1]:
            self.closes(ask_id, path)
        elif (circle := self.follow(ask_id, node, path)) is not None:
            path, edge = circle
            if node == self.name:
                self.closes(ask_id, path)
            elif (asker := self.peers.by_name.get(node)) is not None:
                asker.signal(Kind.PROBE, ask_id, node, path, edge)

    def _known(self, name: str) -> Recipient | None:
        """An agent, or a conversation of a pool elsewhere that something is on the way to."""
        pool = self.registry.pools.get(name.partition("/")[0])
        return pool.find(name) if isinstance(pool, ElsewherePool) else self.registry.get(name)
