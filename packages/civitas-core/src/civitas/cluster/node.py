"""One OS process of a system of several: moves messages between its agents and those of the others."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from civitas.cluster.calls import Calls
from civitas.cluster.frames import Kind, check, unpack
from civitas.cluster.letters.letters import Letters
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError
from civitas.message import Serializer
from civitas.node import Node
from civitas.transport.contract import Detour, Transport
from civitas.transport.seldom import Seldom

__all__ = ["ClusterNode", "new_boot"]

logger = logging.getLogger("civitas")

_MEETING = (Kind.HELLO, Kind.WELCOME, Kind.REFUSED, Kind.INTRODUCE)
"""The frames of those who do not know each other yet."""


def new_boot() -> str:
    """An id for a run of a node: who knows it speaks for that, so nobody can guess it."""
    return uuid.uuid4().hex[:16]


class ClusterNode(Node):
    """What the root and the members have in common: the messages.

    Args:
        name: Of the node.
        transport: Carries the frames.
        serializer: The format of messages.
        token: Of the system: who has it may join.
        letters: Of `Letters`.
        **parts: Of `Node`.
    """

    def __init__(
        self,
        name: str,
        *,
        transport: Transport,
        serializer: Serializer,
        token: str,
        letters: Mapping[str, Any],
        **parts: Any,
    ) -> None:
        super().__init__(name, **parts)
        self.boot = new_boot()
        self.transport = transport
        self.seal = Seal(token)
        self._turned_away = Seldom(logger)
        self.peers = Peers()
        self.calls = Calls()
        self.letters = Letters(
            self,
            self.peers,
            self.calls,
            serializer,
            self._soon,
            **letters,
        )
        self.asked = self.letters.asked
        self._frames: dict[int, Callable[..., None]] = {
            Kind.RETURN: lambda _, *fields: self.calls.returned(*fields),
            Kind.CANCEL: self.calls.cancelled,
            Kind.CALL: lambda peer, id, what, arguments: self.calls.serve(
                peer, id, lambda: self.serve(peer, what, arguments)
            ),
            Kind.CAST: self.told,
            Kind.MESSAGE: self.letters.into.message,
            Kind.HOLD: self.letters.into.hold,
            Kind.WITHDRAW: self.letters.into.withdraw,
            Kind.ROOM: self.letters.into.room,
            Kind.ANSWER: self.letters.out.answered,
            Kind.REFUSAL: self.letters.out.refused,
            Kind.SETTLED: self.letters.out.settled,
            Kind.CHUNK: self.letters.out.chunk,
            Kind.PROBE: self.letters.cycles.probed,
        }

    def _soon(self, work: Callable[[], None]) -> None:
        self.loop.call_soon(work)

    # Peers.

    def meet(self, name: str, boot: str, address: str) -> Peer:
        """Make a way to another node."""
        link = self.transport.connect(address, lambda: self.unreachable(boot), self.detour_to(boot))
        peer = Peer(name, boot, address, link, self.boot)
        self.peers.met(peer)
        return peer

    def detour_to(self, boot: str) -> Detour | None:
        """Another way to a node that cannot be reached directly; None where there is none."""
        return None

    def unreachable(self, boot: str) -> None:
        """Another node could not be reached for `node_timeout`."""

    async def drained(self) -> None:
        """Wait until no agent here works, and none elsewhere on what was sent from here."""
        await super().drained()
        await self.letters.drained()

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        return await super().matching(pattern) + await self.letters.awake(pattern)

    # What comes from other nodes.

    def receive(self, frame: bytes) -> None:
        """Take a frame; what is of no node of this system is counted and passed over, whatever stands in it."""
        try:
            kind, boot, fields = unpack(frame)
            peer = self.peers.get(boot)
            if peer is None:
                if kind not in _MEETING:
                    return  # of a run that is over
                if not self.belongs(Kind(kind), boot, fields):
                    raise ConfigurationError(f"its {Kind(kind).name} shows no token of this system")
        except Exception as error:
            # Nothing is kept of who is none of this system, and he gets no answer.
            self._turned_away.warn("node %r: turned a stranger away: %s", self.name, error)
            return
        try:
            if peer is not None:
                check(kind, fields)
                self.receive_from(peer, kind, fields)
            else:
                self.receive_from_stranger(kind, boot, fields)
        except ConfigurationError as error:
            if peer is not None:
                self.unreadable(peer, str(error))
            else:
                self._turned_away.warn("node %r: turned a stranger away: %s", self.name, error)
        except Exception:
            logger.exception("node %r: a frame of another node could not be handled", self.name)

    def unreadable(self, peer: Peer, why: str) -> None:
        """What a node sent cannot be read, and what waits for that would wait for ever.

        Connections are checked and lose nothing, so one of the two is broken: the root ends it.
        """

    def belongs(self, kind: Kind, boot: str, fields: list[Any]) -> bool:
        """Whether the sender of a frame by which nodes meet has the token of this system."""
        # Who says hello does not know the boot id of the root yet.
        to = "" if kind == Kind.HELLO else self.boot
        return self.seal.fits(kind, boot, to, *fields)

    def receive_from_stranger(self, kind: int, boot: str, fields: list[Any]) -> None:
        """Take a frame of a node that this one has not met, or that is gone."""
        if kind == Kind.INTRODUCE and not self.peers.has_left(boot):
            name, address = fields[:2]
            self.meet(name, boot, address)

    def receive_from(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take a frame of another node; a kind that is not known comes from a newer one and is passed over."""
        take = self._frames.get(kind)
        if take is not None:
            take(peer, *fields)

    async def serve(self, peer: Peer, what: str, arguments: list[Any]) -> Any:
        """Do what another node calls for."""
        if what == "awake":
            pool = self.registry.pools.get(arguments[0])
            return [each.name for each in getattr(pool, "children", ())]
        raise ConfigurationError(f"node {self.name!r} does not know the call {what!r}")

    def told(self, peer: Peer, what: str, arguments: list[Any]) -> None:
        """Do what another node says; what is not known comes from a newer one and is passed over."""

    async def close_links(self) -> None:
        """Leave the other nodes."""
        await self.calls.close()
        self.peers.leave()
        await self.transport.close()
        self._turned_away.close()
