"""The other nodes of the system, as one of them sees them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from civitas.cluster.frames import Kind, packed, packed_large
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError
from civitas.message.large import Large
from civitas.transport.carrier import shortfall
from civitas.transport.contract import CuttingLink, Link, Transport, Watch

__all__ = ["Peer", "Peers", "one_that_is_gone", "reach", "way_to"]

_NO_OTHERS: Mapping[int, Callable[..., None]] = MappingProxyType({})
_REMEMBERED = 256
"""So many nodes that are gone are remembered."""


class Peer:
    """Another node, in one of its runs.

    Args:
        name: Of the node.
        boot: Names the run: a restarted process is another peer.
        link: The way to it.
        own_boot: Stands in each frame, so that the peer knows who speaks.
        watch: Tells what becomes of it; None if nobody wants to know.
    """

    def __init__(
        self,
        name: str,
        boot: str,
        address: str,
        link: Link,
        own_boot: str,
        watch: Watch | None = None,
    ) -> None:
        self.name = name
        self.boot = boot
        self.address = address
        self.link = link
        self.gone = ""
        """What happened to it, once it is."""
        self.incident = boot
        """What its end is counted as, once it is."""
        self.became: Peer | None = None
        """The node that it turned out to be, where this stood for one that was not known yet."""
        self.takes: Mapping[int, Callable[..., None]] = _NO_OTHERS
        """By kind, who takes its frames instead of whoever takes those of all others."""
        self.own_boot = own_boot
        self._watch = watch

    def leave(self) -> None:
        """End the way to it."""
        self.link.close()
        if self._watch is not None:
            self._watch.close()

    def send(self, kind: Kind, *fields: Any) -> None:
        """Send what belongs to messages: frames of this sort keep their order."""
        try:
            self.link.send(packed((kind, self.own_boot, *fields)))
        except TypeError:  # so that small ones need not be looked at
            self._send_large(packed_large((kind, self.own_boot, *fields)))

    def signal(self, kind: Kind, *fields: Any) -> None:
        """Send what must not wait behind messages; frames of this sort keep their order, too."""
        self.link.send(packed((kind, self.own_boot, *fields)), urgent=True)

    def introduce(self, kind: Kind, seal: Seal, *fields: Any) -> None:
        """Send one of the frames by which nodes meet."""
        self.signal(kind, *fields, seal.of(kind, self.own_boot, self.boot, *fields))

    def _send_large(self, frame: Large) -> None:
        if isinstance(self.link, CuttingLink):
            self.link.send_large(frame)
        else:
            self.link.send(bytes(frame))

    def cast(self, what: str, *arguments: Any) -> None:
        """Tell it to do something, and do not wait for that."""
        self.signal(Kind.CAST, what, list(arguments))


def reach(
    transport: Transport,
    name: str,
    boot: str,
    address: str,
    own_boot: str,
    lost: Callable[[], None],
) -> Peer:
    """Make a way to another node, and watch it.

    Args:
        transport: Of this node.
        name: Of the other one.
        boot: Its run.
        address: Where it is reached.
        own_boot: The run of this node.
        lost: Called once when it is lost.

    Raises:
        ConfigurationError: The transport gives no way, or nothing that watches.
    """
    link = way_to(transport, address)
    watch = transport.watch(address, _nothing, lost)
    _expect(transport, "watch()", watch, Watch, "a Watch")
    return Peer(name, boot, address, link, own_boot, watch)


def way_to(transport: Transport, address: str) -> Link:
    """A link to the node at `address`, where a transport, which may be anybody's code, gives one.

    Raises:
        ConfigurationError: It gives something else.
    """
    link = transport.connect(address)
    _expect(transport, "connect()", link, Link, "a Link")
    return link


def _expect(transport: Transport, what: str, found: object, kind: type, called: str) -> None:
    if wrong := shortfall(found, kind, called):
        raise ConfigurationError(f"the transport {type(transport).__name__!r}: {what} {wrong}")


class Peers(dict[str, Peer]):
    """The other nodes that this one has met and that are there, by boot id."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, Peer] = {}
        self._left: deque[str] = deque(maxlen=_REMEMBERED)
        self._heirs: dict[str, Peer | None] = {}
        """By the runs of roots that led before: who has the answers to what was asked there; None for this node."""

    def met(self, peer: Peer) -> None:
        """There is a way to another node now."""
        self[peer.boot] = self.by_name[peer.name] = peer

    def inherits(self, boots: Iterable[str], heir: Peer | None) -> None:
        """The answers to what was asked at these nodes, which led before, are for another, or for this one (None)."""
        for boot in boots:
            self._heirs[boot] = heir

    def disinherit(self) -> None:
        """Nobody has the answers to what was asked at a root that led before, as far as that is known."""
        self._heirs.clear()

    @property
    def former(self) -> list[str]:
        """The nodes that led before, and whose answers somebody has."""
        return list(self._heirs)

    def has_passed_on(self, boot: str) -> bool:
        """Whether a node led before, and had put all that it would ever send where the next one found it."""
        return boot in self._heirs

    def is_inherited(self, boot: str) -> bool:
        """Whether the answers to what was asked at a node that led before are for this one."""
        return boot in self._heirs and self._heirs[boot] is None

    def is_heir(self, peer: Peer) -> bool:
        """Whether a node has the answers to what was asked at one that led before."""
        return any(each is peer for each in self._heirs.values())

    def back_to(self, boot: str) -> Peer | None:
        """Who is to have the answer to what a node asked; None if that is gone."""
        return self._heirs.get(boot) or self.get(boot)

    def gone(self, boot: str, why: str) -> Peer | None:
        """A node is gone for good; returns what it was, if it had been met."""
        self._left.append(boot)
        peer = self.pop(boot, None)
        if peer is None:
            return None
        peer.gone = why
        if self.by_name.get(peer.name) is peer:
            del self.by_name[peer.name]
        peer.leave()
        return peer

    @property
    def departed(self) -> list[str]:
        """The runs of the nodes that went away last."""
        return list(self._left)

    def has_left(self, boot: str) -> bool:
        """Whether a node went away a while ago: what it sent before that may come later."""
        return boot in self._left

    def leave(self) -> None:
        """End the ways to all of them."""
        for peer in self.values():
            peer.leave()
        self.clear()
        self.by_name.clear()


def one_that_is_gone() -> Peer:
    """Stands for a node of which nobody knows more than that it is gone."""
    peer = Peer("", "", "", _NoLink(), "")
    peer.gone = "it is gone"
    return peer


class _NoLink:
    """The way to a node that is gone."""

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Nowhere."""

    def close(self) -> None:
        """It is closed."""

    async def flushed(self) -> None:
        """Nothing is on its way."""


def _nothing() -> None: ...
