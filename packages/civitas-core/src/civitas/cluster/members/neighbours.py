"""The other members, as one of them knows them.

The root introduces one when an agent there is used for the first time; it is reached directly, or by way of the root.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from civitas.cluster.frames import Kind
from civitas.cluster.members.joining import Joining
from civitas.cluster.peers import Peer, Peers, reach
from civitas.cluster.seal import Seal
from civitas.transport.contract import Detour, Detouring, Transport

__all__ = ["Neighbours"]


class Neighbours:
    """Makes the ways to other members.

    Args:
        name: Of this member.
        seal: Of the system.
        transport: Of this member.
        peers: The nodes it knows.
        joining: Its way to the root.
        reached: Called with the boot id of one that there is a way to now.
    """

    def __init__(
        self,
        name: str,
        seal: Seal,
        transport: Transport,
        peers: Peers,
        joining: Joining,
        reached: Callable[[str], None],
    ) -> None:
        self._name = name
        self._seal = seal
        self._transport = transport
        self._peers = peers
        self._joining = joining
        self._reached = reached

    def there_is(self, _: object, name: str, boot: str, address: str) -> None:
        """The root says that there is another member: tell that one that this one is there, too."""
        if boot in self._peers or boot == self._joining.boot:
            return
        peer = self._meet(name, boot, address)
        peer.introduce(Kind.INTRODUCE, self._seal, self._name, self._transport.address)

    def introduced(self, boot: str, name: str, address: str) -> None:
        """Another member says that it is there."""
        if not self._peers.has_left(boot):
            self._meet(name, boot, address)

    def _meet(self, name: str, boot: str, address: str) -> Peer:
        lost = partial(self._unreachable, boot)
        peer = reach(self._transport, name, boot, address, self._joining.boot, lost)
        if isinstance(self._transport, Detouring):
            self._transport.detour(address, self._detour_to(boot))
        self._peers.met(peer)
        self._reached(boot)
        return peer

    def _unreachable(self, boot: str) -> None:
        """There is no way to another member: let the root end it, so that nobody waits for what never comes."""
        if boot in self._peers:
            self._joining.root.cast("unreachable", boot)

    def _detour_to(self, boot: str) -> Detour:
        """By way of the root: it reaches every member, or takes it for gone and says so."""
        return lambda parcel: self._joining.root.send(Kind.PARCEL, boot, parcel)

    def take_parcel(self, _: Peer, boot: str, parcel: list[bytes]) -> None:
        """Take what another member sent by way of the root."""
        if isinstance(self._transport, Detouring):
            self._transport.take_parcel(parcel)
