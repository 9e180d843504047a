"""Where frames come in: who sent one, whether it has its shape, and who takes it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from civitas.cluster.frames import Kind, unpacked, unpacked_large
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.words import FRAMES
from civitas.errors import CivitasError, ConfigurationError
from civitas.message.large import LARGE, Buffer
from civitas.transport.contract import CutOff, Transport
from civitas.transport.throttled_log import ThrottledLog

__all__ = ["Door", "Take"]

logger = logging.getLogger("civitas")

_MEETING = (Kind.HELLO, Kind.WELCOME, Kind.REFUSED, Kind.INTRODUCE, Kind.LATER)
"""The frames of those who do not know each other yet."""

Take: TypeAlias = Callable[..., None]
"""Takes the fields of a frame, behind the peer that sent it; or the boot id of a node that is not known yet."""


class Door:
    """Hands each frame to whoever takes those of its kind.

    Args:
        name: Of this node.
        peers: Those that are known.
        takes: By kind, who takes the frames of peers, unless a peer has somebody else for those.
        meets: By kind, who takes the frames by which nodes meet.
        belongs: Whether the sender of such a frame has the token of this system.
        unreadable: Called where a frame of a peer cannot be read, with why. Connections are checked and lose nothing,
            so one of the two is broken, and what waits for that frame would wait for ever.
    """

    def __init__(
        self,
        name: str,
        peers: Peers,
        takes: Mapping[Kind, Take],
        meets: Mapping[Kind, Take],
        belongs: Callable[[Kind, str, list[Any]], bool],
        unreadable: Callable[[Peer, str], None],
    ) -> None:
        self._name = name
        self._peers = peers
        self._takes: dict[int, Take] = {int(kind): take for kind, take in takes.items()}
        self._meets = meets
        self._belongs = belongs
        self._turned_away = ThrottledLog(logger)
        self._unreadable = unreadable
        self._hears_of_outages: CutOff | None = None

    async def open(self, transport: Transport, cut_off: CutOff | None = None) -> None:
        """Begin to receive what `transport` carries.

        Args:
            transport: Not open.
            cut_off: Called when this node lost its own way to all others, and when it has it back.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        self._hears_of_outages = cut_off
        try:
            await transport.open(self.receive, self.cut_off)
        except CivitasError:
            raise
        except Exception as error:  # a transport may be anybody's code
            raise ConfigurationError(
                f"the transport of node {self._name!r} could not be opened: {type(error).__name__}: {error}"
            ) from error
        address: Any = transport.address
        if not isinstance(address, str) or not address:
            raise ConfigurationError(
                f"the transport {type(transport).__name__!r} of node {self._name!r} must have an address when it is "
                f"open, as text; it has {address!r}"
            )

    def cut_off(self, cut_off: bool) -> None:
        """This node lost its own way to all others, or has it back; what is sent meanwhile waits."""
        if cut_off:
            logger.warning(
                "node %r cannot reach anybody: what carries its messages is unavailable", self._name
            )
        else:
            logger.warning("node %r can reach the others again", self._name)
        if self._hears_of_outages is not None:
            self._hears_of_outages(cut_off)

    def receive(self, frame: Buffer) -> None:
        """Take a frame; what is of no node of this system is counted and passed over, whatever stands in it."""
        try:
            fields = unpacked(frame) if len(frame) <= LARGE else unpacked_large(frame)
            kind, boot = fields[:2]
            del fields[:2]
        except Exception as error:
            self._turn_away(f"received something that is not a Civitas frame ({error})")
            return
        if type(kind) is not int or type(boot) is not str:
            self._turn_away("received a frame that does not say who sent it")
            return
        peer = self._peers.get(boot)
        if peer is None:
            self._meet(kind, boot, fields)
            return
        take = (peer.takes.get(kind) if peer.takes else None) or self._takes.get(kind)
        if take is None:
            return  # of a newer version
        shape = FRAMES[kind]
        if tuple(map(type, fields)) not in shape.sure and not shape.fits(fields):
            found = ", ".join(type(each).__name__ for each in fields) or "nothing"
            self._unreadable(peer, f"{Kind(kind).name} has the fields {found}")
            return
        if len(fields) > shape.most:
            del fields[shape.most :]
        try:
            take(peer, *fields)
        except ConfigurationError as error:
            self._unreadable(peer, str(error))
        except Exception:
            logger.exception("node %r: a frame from another node could not be handled", self._name)

    def _meet(self, kind: int, boot: str, fields: list[Any]) -> None:
        if kind not in _MEETING:
            return  # of a run that is over
        what = Kind(kind)
        shape = FRAMES[kind]
        try:
            if not shape.fits(fields) or not self._belongs(what, boot, fields):
                raise ConfigurationError(f"its {what.name} shows no token of this system")
        except Exception as error:
            # Nothing is kept of a stranger, and it gets no answer.
            self._turn_away(error)
            return
        take = self._meets.get(what)
        if take is None:
            return
        try:
            take(boot, *fields[: shape.most])
        except ConfigurationError as error:
            self._turn_away(error)
        except Exception:
            logger.exception("node %r: a frame from another node could not be handled", self._name)

    def _turn_away(self, why: object) -> None:
        self._turned_away.warn("node %r: turned a stranger away: %s", self._name, why)

    async def close(self, transport: Transport) -> None:
        """Receive nothing more, and report the strangers that have not been reported yet."""
        try:
            await transport.close()
        except Exception:
            logger.exception("node %r: its transport could not be closed", self._name)
        self._turned_away.close()
