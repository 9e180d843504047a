"""`NatsNeighbour`: another node, the links to it, and who watches it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from civitas.transport.nats.link import NatsLink
from civitas.transport.nats.pulse import NatsPulse
from civitas.transport.node_watch import NodeWatch, NodeWatches

__all__ = ["NatsNeighbour"]

log = logging.getLogger("civitas.transport")


class NatsNeighbour:
    """Another node.

    Args:
        address: Of it.
        token: Where it is reached.
        run: Which run of it, or `ANY_RUN`.
        subject: Where it takes batches.
        pulse: Knows whether it can be reached.
        wanted: Called when there is something to send.
        over: Called once when nobody is interested in it any more, or it is lost.
    """

    def __init__(
        self,
        address: str,
        token: str,
        run: bytes,
        *,
        subject: bytes,
        pulse: NatsPulse,
        wanted: Callable[[], None],
        over: Callable[[NatsNeighbour], None],
    ) -> None:
        self.token = token
        self.subject = subject
        self.links: dict[bytes, NatsLink] = {}
        self._address = address
        self._run = run
        self._wanted = wanted
        self._over = over
        self._watches = NodeWatches(self._end_if_idle)
        self._is_over = False
        self._pulse = pulse
        self._watched = pulse.watch(token, run, self._back, self._lost)

    def connect(self, id: bytes) -> NatsLink:
        """Make a link."""
        link = NatsLink(id, self._run, wanted=self._wanted, lost=self._lost, closed=self._left)
        self.links[id] = link
        return link

    def watch(self, back: Callable[[], None], lost: Callable[[], None]) -> NodeWatch:
        """Watch it."""
        return self._watches.add(back, lost)

    def again(self) -> None:
        """What left may be lost."""
        for link in list(self.links.values()):
            link.again()

    def close(self) -> None:
        """End the links, and stop watching."""
        self._watches.end()
        for link in list(self.links.values()):
            link.close()
        self._end()

    def _back(self) -> None:
        self.again()
        self._watches.tell_back()

    def _lost(self, why: str) -> None:
        if self._is_over:
            return
        log.info("the node at %s is lost: %s", self._address, why)
        watches = self._watches.end()
        self.close()
        for watch in watches:
            watch.tell_lost()

    def _left(self, link: NatsLink) -> None:
        self.links.pop(link.id, None)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if not self.links and not self._watches:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._pulse.unwatch(self._watched)
            self._over(self)
