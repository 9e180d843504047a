"""`MemoryNetwork`: carries frames between the nodes of one event loop, as badly as a test asks for."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from civitas.testing.memory_transport import MemoryTransport, name_in
from civitas.transport.batches import Ack, Batch

__all__ = ["MemoryNetwork", "Parcel"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is on its way from one node to another.

    Attributes:
        number: Counts the parcels of a network from 1, in the order in which they left.
        source: The name of the node that it comes from.
        target: The name of the node that it goes to.
        link: The id of the link that it belongs to.
        content: A batch of frames, or the acknowledgement of some.
    """

    number: int
    source: str
    target: str
    link: bytes
    content: Batch | Ack


class MemoryNetwork:
    """Carries frames between transports in one event loop, and loses, delays, repeats and cuts where a test says so.

    It keeps the promises of a transport all the same, as what is lost is sent again::

        network = MemoryNetwork()
        here, there = network.transport("here"), network.transport("there")
        network.fate = lambda parcel: [] if parcel.number % 3 == 0 else [0, 0.01]   # lost, or arrives twice
        network.cut("here", "there")
        network.heal()

    Time is that of the event loop.

    Args:
        node_timeout: Seconds without a way to a node after which it is lost.
        resend_after: Seconds after which what is not acknowledged is sent again.
        most: Bytes of frames in one parcel; larger frames travel in pieces.

    Attributes:
        fate: Says of each parcel when it arrives: after so many seconds, once for each; empty if it is lost. At
            once by default. Parcels may overtake each other.
    """

    def __init__(
        self, *, node_timeout: float = 10.0, resend_after: float = 0.05, most: int = 1024 * 1024
    ) -> None:
        self.fate: Callable[[Parcel], Iterable[float]] = lambda parcel: (0.0,)
        self.node_timeout = node_timeout
        self.resend_after = resend_after
        self.most = most
        self._names = itertools.count(1)
        self._numbers = itertools.count(1)
        self._nodes: dict[str, MemoryTransport] = {}
        self._open: dict[MemoryTransport, None] = {}
        self._cuts: set[frozenset[str]] = set()
        self._away: set[str] = set()

    def transport(self, name: str = "") -> MemoryTransport:
        """A transport for one more node, not open.

        Args:
            name: Others find whoever opened one of that name last at ``memory:NAME``, and this one alone at its
                `address`. One that nobody else has by default.
        """
        return MemoryTransport(self, name or f"node-{next(self._names)}")

    # What befalls the nodes.

    def cut(self, one: str, other: str) -> None:
        """Let nothing pass between two nodes any more; takes their names or their addresses."""
        self._cuts.add(frozenset((name_in(one), name_in(other))))
        self._look_around()

    def take_away(self, node: str) -> None:
        """Cut one node off from all others, as if its broker were down. The node itself is told."""
        name = name_in(node)
        if name not in self._away:
            self._away.add(name)
            self._tell_cut_off(name, True)
            self._look_around()

    def heal(self) -> None:
        """Let everything pass again."""
        away, self._away = self._away, set()
        self._cuts.clear()
        for name in away:
            self._tell_cut_off(name, False)
        self._look_around()

    def kill(self, node: MemoryTransport) -> None:
        """End a node without a word: nothing that it still sends arrives, and nothing arrives there."""
        node.die()

    def _tell_cut_off(self, name: str, cut_off: bool) -> None:
        node = self._nodes.get(name)
        if node is not None:
            node.run_inside(node.tell_cut_off, cut_off)

    def _look_around(self) -> None:
        """Something changed: let every node check which others it can reach now."""
        for node in list(self._open):
            node.run_inside(node.look_around)

    # What the transports call.

    def _enter(self, node: MemoryTransport) -> None:
        """A node is there."""
        self._nodes[node.name] = node
        self._open[node] = None
        self._look_around()

    def _leave(self, node: MemoryTransport) -> None:
        """It is gone."""
        self._open.pop(node, None)
        if self._nodes.get(node.name) is node:
            del self._nodes[node.name]
        self._look_around()

    def _reached(self, source: MemoryTransport, target: str) -> MemoryTransport | None:
        """The node that is reached from `source` under the name `target`; None for none."""
        parted = frozenset((source.name, target)) in self._cuts
        if source not in self._open or parted or self._away & {source.name, target}:
            return None
        return self._nodes.get(target)

    def _post(
        self, source: MemoryTransport, target: str, link: bytes, content: Batch | Ack
    ) -> None:
        """Something leaves a node."""
        parcel = Parcel(next(self._numbers), source.name, target, link, content)
        loop = asyncio.get_running_loop()
        for delay in self.fate(parcel):
            if delay > 0:
                loop.call_later(delay, self._arrive, source, parcel)
            else:
                loop.call_soon(self._arrive, source, parcel)

    def _arrive(self, source: MemoryTransport, parcel: Parcel) -> None:
        node = self._reached(source, parcel.target)
        if node is not None:
            node.run_inside(node.take, source, parcel.number, parcel.link, parcel.content)
