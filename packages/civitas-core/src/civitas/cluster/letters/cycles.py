"""Asks that would wait for themselves, over several nodes.

Edge chasing (Chandy, Misra and Haas 1983): the ask that closes a circle finds all its other edges there, so it is found
out, whichever came last. An edge is the id of an ask: an agent that has answered does not have it any more, though its
answer may still be on the way. An ask that stands in line at its own node, since the agent it is for has no room, is an
edge as well, but the node of that agent does not know it yet: it is followed there by the name of the agent.
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

_IN_LINE = ""
"""In the place of an edge that has not left its node."""


@dataclass(frozen=True, slots=True)
class Cycles:
    """Finds circles of asks that lead through this node.

    Attributes:
        name: Of this node.
        registry: Its agents, and whom each waits for.
        peers: The other nodes.
        foreign: What came from them and is not finished.
        has_left: Whether an ask, by its id, is on its way to the node of the agent that it is for, or there.
        closes: Ends an ask of this node, by its id, that would wait for itself; the circle is told.
    """

    name: str
    registry: Registry
    peers: Peers
    foreign: Mapping[str, Origin]
    has_left: Callable[[str], bool]
    closes: Callable[[str, list[str]], None]

    def waits(self, ask_id: str, asker: str, asked: str) -> None:
        """An agent here is about to wait for another, to which its ask has not gone yet."""
        found = self._known(asked)
        if isinstance(found, Elsewhere):
            self._chase(found, ask_id, self.name, [asker, asked], ask_id)
        else:
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
                self._chase(found, ask_id, node, [*path, name], edge)
            elif circle := self.follow(ask_id, node, [*path, name]):
                return circle
        return None

    def probed(self, sender: Peer, ask_id: str, node: str, path: list[str], edge: str) -> None:
        """Another node follows an edge to here: does this wait lead back?"""
        if edge == _IN_LINE:
            cell = self._known(path[-1])
        else:
            origin = self.foreign.get(edge)
            if not isinstance(origin, FromPeer):
                return
            cell = origin.cell
        if isinstance(cell, Elsewhere):
            # It is handed on: whoever asked waits for the one that the message was given to.
            if cell.boot != sender.boot:
                self._chase(cell, ask_id, node, [*path[:-1], cell.name], edge)
        elif path[0] == path[-1]:
            self.closes(ask_id, path)
        elif (circle := self.follow(ask_id, node, path)) is not None:
            path, edge = circle
            if node == self.name:
                self.closes(ask_id, path)
            elif isinstance(asker := self._known(path[0]), Elsewhere):
                self._chase(asker, ask_id, node, path, edge)

    def _chase(self, each: Elsewhere, ask_id: str, node: str, path: list[str], edge: str) -> None:
        """Follow an edge to the node of an agent elsewhere."""
        peer = self.peers.get(each.boot or "")
        if peer is not None:
            known = edge if self.has_left(edge) else _IN_LINE
            peer.signal(Kind.PROBE, ask_id, node, path, known)

    def _known(self, name: str) -> Recipient | None:
        """An agent, or a conversation of a pool elsewhere that something is on the way to."""
        found = self.registry.get(name)
        pool = self.registry.pools.get(name.partition("/")[0]) if found is None else None
        return pool.find(name) if isinstance(pool, ElsewherePool) else found
