"""`ZmqNeighbour`: the node at an address, as this one sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import zmq

from civitas.transport.contract import Detour
from civitas.transport.node_watch import NodeWatch, NodeWatches
from civitas.transport.zmq.link import ZmqLink
from civitas.transport.zmq.pulse import Pulse

__all__ = ["ZmqNeighbour"]

log = logging.getLogger("civitas.transport")


class ZmqNeighbour:
    """The node at an address: its pulse, the links to it, and who watches it.

    Args:
        endpoint: Where it is reached.
        run: Which run of it, or `ANY_RUN`.
        dealer: Makes a socket, configured and not connected.
        ids: Of links.
        timeout: Seconds without a connection after which it is lost.
        over: Called once when nobody is interested in it any more, or it is lost.
    """

    def __init__(
        self,
        endpoint: str,
        run: bytes,
        *,
        dealer: Callable[[], zmq.Socket[bytes]],
        ids: Iterator[bytes],
        timeout: float,
        over: Callable[[ZmqNeighbour], None],
    ) -> None:
        self.links: set[ZmqLink] = set()
        self.detour: Detour | None = None
        """Another way to it; if there is one, it is never lost."""
        self._endpoint = endpoint
        self._run = run
        self._dealer = dealer
        self._ids = ids
        self._timeout = timeout
        self._over = over
        self._watches = NodeWatches(self._end_if_idle)
        self._silent = False
        self._pulse = Pulse(
            dealer(), endpoint, timeout=timeout, back=self._back, lost=self._unreachable
        )

    def connect(self) -> ZmqLink:
        """Make a link."""
        link = ZmqLink(
            self._dealer(),
            self._endpoint,
            next(self._ids),
            self._run,
            lost=self._lost,
            closed=self._left,
        )
        self.links.add(link)
        if self._silent and self.detour is not None:
            link.go_round(self.detour)
        return link

    def watch(self, back: Callable[[], None], lost: Callable[[], None]) -> NodeWatch:
        """Watch it."""
        return self._watches.add(back, lost)

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as that is known."""
        return not self._silent and self._pulse.is_connected

    def lives(self) -> None:
        """It said something another way."""
        self._pulse.lives()

    def close(self) -> None:
        """End the links, and stop watching."""
        self._watches.end()
        for link in list(self.links):
            link.close()
        self._end()

    def _back(self) -> None:
        for link in list(self.links):
            link.reconnect()
        self._watches.tell_back()

    def _unreachable(self) -> None:
        why = f"it could not be reached for {self._timeout:g} s"
        if self.detour is None:
            self._lost(why)
            return
        log.warning("%s: %s; what is sent there goes another way from now on", self._endpoint, why)
        self._silent = True
        self._pulse.close()
        for link in list(self.links):
            link.go_round(self.detour)

    def _lost(self, why: str) -> None:
        log.info("the node at %s is lost: %s", self._endpoint, why)
        watches = self._watches.end()
        self.close()
        for watch in watches:
            watch.tell_lost()

    def _left(self, link: ZmqLink) -> None:
        self.links.discard(link)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if not self.links and not self._watches:
            self._end()

    def _end(self) -> None:
        if not self._silent:
            self._silent = True
            self._pulse.close()
        self._over(self)
