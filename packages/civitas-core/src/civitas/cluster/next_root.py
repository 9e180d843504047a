"""`NextRoot`: stands for the root that leads next, from when the last one passes on to when the next one is there."""

from __future__ import annotations

import asyncio

from civitas.cluster.peers import Peer

__all__ = ["NextRoot"]


class NextRoot:
    """Keeps what is sent to it until the next root is there, and hands it on then.

    Args:
        own_boot: The run of this node.

    Attributes:
        peer: It, as the others see it.
    """

    def __init__(self, own_boot: str) -> None:
        self._way = _Way()
        self.peer = Peer("root", "", "", self._way, own_boot)

    def is_there(self, root: Peer) -> None:
        """It is this one."""
        self.peer.became = root
        self._way.leads_to(root)


class _Way:
    """The way to it."""

    def __init__(self) -> None:
        self._root: Peer | None = None
        self._waiting: list[tuple[bytes, bool]] = []
        self._known = asyncio.Event()

    def leads_to(self, root: Peer) -> None:
        """What waited goes there, and all that follows."""
        self._root = root
        self._known.set()
        waiting, self._waiting = self._waiting, []
        for frame, urgent in waiting:
            root.link.send(frame, urgent=urgent)

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Send a frame; see `Link.send`."""
        if self._root is None:
            self._waiting.append((frame, urgent))
        else:
            self._root.link.send(frame, urgent=urgent)

    def close(self) -> None:
        """Nobody waits for it any more."""
        self._waiting.clear()
        self._known.set()

    async def flushed(self) -> None:
        """Wait until all of it has arrived; see `Link.flushed`."""
        await self._known.wait()
        if self._root is not None:
            await self._root.link.flushed()
