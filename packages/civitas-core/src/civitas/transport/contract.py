"""What every transport promises to the node above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from civitas.errors import PayloadError
from civitas.message import MAX_PAYLOAD
from civitas.message.large import Buffer, Large

__all__ = [
    "MAX_FRAME",
    "CutOff",
    "CuttingLink",
    "Detour",
    "Detouring",
    "Link",
    "Transport",
    "Watch",
    "check_frame",
]

MAX_FRAME = MAX_PAYLOAD + 1024 * 1024
"""Bytes in the largest frame: the largest payload, and what stands around it."""

CutOff: TypeAlias = Callable[[bool], None]
"""Told True when a node has lost its own way to all others, as where its broker is away, and False when it is back."""

Detour: TypeAlias = Callable[[Sequence[bytes]], None]
"""Carries a parcel to another node by way of a third one."""


@runtime_checkable
class Link(Protocol):
    """A way to one other node, in one direction.

    Frames arrive once and in the order in which they were handed over, until the node there is lost or the link closed;
    a connection, or a broker, that goes away and comes back in between changes nothing of that.
    """

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame. Never waits and never drops while the link is open; afterwards it does nothing.

        Frames handed over in one turn of the event loop travel together. The sender bounds how many wait here.

        Args:
            frame: What the other side's `receive` is called with.
            urgent: Whether it overtakes the frames that are not urgent and have not left this process yet.

        Raises:
            PayloadError: The frame is larger than `MAX_FRAME`.
        """
        ...

    def close(self) -> None:
        """End it, and drop what waits."""
        ...

    async def flushed(self) -> None:
        """Wait until the other side has received all that was handed over so far, or it is lost or the link closed.

        A node on the other side that is stuck lets this wait, so give it a timeout.
        """
        ...


@runtime_checkable
class CuttingLink(Link, Protocol):
    """A link that sends a large frame in pieces, so that nobody has to put that together first."""

    def send_large(self, frame: Large) -> None:
        """Hand over a frame of more than `LARGE` bytes, which is not urgent; see `send`."""
        ...


@runtime_checkable
class Watch(Protocol):
    """Tells what becomes of one other node."""

    def close(self) -> None:
        """Tell nothing more. May be called twice."""
        ...


@runtime_checkable
class Transport(Protocol):
    """Carries frames between the nodes of a system, and says which of them can be reached.

    Attributes:
        address: After `open`, where other nodes reach this one. No two runs of a node have the same, so that frames
            meant for one never reach the next.
    """

    address: str

    async def open(self, receive: Callable[[Buffer], None], cut_off: CutOff | None = None) -> None:
        """Begin to receive.

        Args:
            receive: Called with each frame that arrives, in the event loop, in order for each link. A bounded
                number in one turn of the loop, so that a flood of frames leaves time for everything else. One
                of more than 1 MiB may be a read-only view of bytes: to copy it can take as long as a turn may.
            cut_off: Called when this node itself can reach nobody, and when it can again. That is nobody's death: no
                other node is lost by it before the node timeout is over. A carrier without a broker never calls it.

        Raises:
            ConfigurationError: It cannot be reached under the address it was given.
        """
        ...

    def connect(self, address: str) -> Link:
        """Make a link to the node at `address`, which may come up later.

        Raises:
            ConfigurationError: That is not an address.
        """
        ...

    def watch(self, address: str, back: Callable[[], None], lost: Callable[[], None]) -> Watch:
        """Watch the node at `address`, which may come up later.

        Args:
            address: The other node's `address`.
            back: Called each time that it can be reached again after it could not for a while.
            lost: Called once, when the node could not be reached for the node timeout, or another one came up in
                its place. The links to it carry nothing from then on.

        Raises:
            ConfigurationError: That is not an address.
        """
        ...

    async def pump(self) -> None:
        """Hand `receive` everything that has arrived, at a broker too, before this returns."""
        ...

    async def close(self) -> None:
        """End all links and watches, and stop receiving. May be called twice, and without `open`."""
        ...


@runtime_checkable
class Detouring(Protocol):
    """What a carrier may offer where its nodes reach each other one by one, and one may fail to."""

    def detour(self, address: str, way: Detour) -> None:
        """Give another way to the node at `address`, to which there is a link.

        The node is not lost any more. When it could not be reached for the node timeout, whatever has not surely
        arrived, and all that comes later, is handed over to `way` in parcels. Each must reach the `take_parcel` of the
        other side, in order.
        """
        ...

    def take_parcel(self, parcel: Sequence[bytes]) -> None:
        """Take what came by a detour. What of it had arrived already is passed over, so that nothing comes twice."""
        ...


def check_frame(frame: bytes | Large) -> None:
    """Raise `PayloadError` if a frame is larger than a transport carries."""
    if len(frame) > MAX_FRAME:
        raise PayloadError(
            "frame",
            f"{len(frame):,} bytes are more than {MAX_FRAME:,}, the most that one frame may carry",
        )
