"""A way to another member by way of the root, for two that cannot reach each other."""

from __future__ import annotations

from collections.abc import Callable

from civitas.cluster.frames import Kind
from civitas.cluster.peers import Peer
from civitas.transport.contract import Link, check_frame

__all__ = ["BY_THE_ROOT", "Detour"]

BY_THE_ROOT = ""
"""In the place of a member's address: the root hands on what is for it."""


class Detour(Link):
    """Hands frames to the root, which hands them on; it is never lost, as the root says when the other is gone.

    Args:
        root: The root, as long as there is one.
        boot: The boot id of the other member.
    """

    def __init__(self, root: Callable[[], Peer], boot: str) -> None:
        self._root = root
        self._boot = boot
        self._open = True

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame; see `Link.send`."""
        check_frame(frame)
        if self._open:
            hand = self._root().signal if urgent else self._root().send
            hand(Kind.HAND_ON, self._boot, frame, urgent)

    def close(self) -> None:
        """End it."""
        self._open = False

    async def flushed(self) -> None:
        """Wait until the root has received what was handed over."""
        await self._root().link.flushed()
