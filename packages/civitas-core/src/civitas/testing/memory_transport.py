"""The transport of a node on a `MemoryNetwork`."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol

from civitas.errors import ConfigurationError
from civitas.message.large import Buffer
from civitas.transport import CutOff, Link, Watch, check_frame
from civitas.transport.batches import ANY_RUN, Ack, Batch, link_ids, new_id, sender_of
from civitas.transport.window import ReceiveWindow, SendWindow

__all__ = ["MemoryTransport", "name_in"]

log = logging.getLogger("civitas.transport")

_SCHEME = "memory:"
_FRAMES_IN_A_TURN = 200


def name_in(address: str) -> str:
    """The name of a node in its address; a name as it is."""
    return address.removeprefix(_SCHEME).partition("#")[0]


class Network(Protocol):
    """What a transport needs of its network."""

    node_timeout: float
    resend_after: float
    most: int

    def _enter(self, node: MemoryTransport) -> None:
        """A node is there."""

    def _leave(self, node: MemoryTransport) -> None:
        """It is gone."""

    def _reached(self, source: MemoryTransport, target: str) -> MemoryTransport | None:
        """The node that is reached from `source` under the name `target`; None for none."""

    def _post(
        self, source: MemoryTransport, target: str, link: bytes, content: Batch | Ack
    ) -> None:
        """Something leaves a node."""


class MemoryTransport:
    """A `Transport` of a `MemoryNetwork`, which makes it.

    Attributes:
        name: Of the node.
        run: Of the node: whoever opens another transport under that name is another node.
    """

    def __init__(self, network: Network, name: str) -> None:
        self.address = ""
        self.name = name
        self.run = new_id()
        self.network = network
        self.links: dict[bytes, _Link] = {}
        self.watches: list[_Watch] = []
        self._ids = link_ids(self.run)
        self._incoming = ReceiveWindow(self.run, lambda: {sender_of(id) for id in self.links})
        self._arrived: deque[Buffer] = deque()
        self._turn: asyncio.Handle | None = None
        self._receive: Callable[[Buffer], None] = _nobody
        self._cut_off: CutOff | None = None
        self._context = copy_context()

    async def open(self, receive: Callable[[Buffer], None], cut_off: CutOff | None = None) -> None:
        """Begin to receive; see `Transport.open`."""
        self._receive, self._cut_off = receive, cut_off
        self._context = copy_context()
        self.address = f"{_SCHEME}{self.name}#{self.run.hex()}"
        self.network._enter(self)

    def connect(self, address: str) -> Link:
        """Make a link; see `Transport.connect`."""
        link = _Link(self, _checked(address), next(self._ids))
        self.links[link.id] = link
        return link

    def watch(self, address: str, back: Callable[[], None], lost: Callable[[], None]) -> Watch:
        """Watch a node; see `Transport.watch`."""
        watch = _Watch(self, _checked(address), back, lost)
        self.watches.append(watch)
        watch.look()
        return watch

    async def pump(self) -> None:
        """Hand over everything that has arrived."""
        self._hand_over(len(self._arrived))

    async def close(self) -> None:
        """End all links and watches, and stop receiving."""
        self.die()

    # What the network calls.

    def die(self) -> None:
        """Go away."""
        for link in list(self.links.values()):
            link.close()
        for watch in list(self.watches):
            watch.close()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._arrived.clear()
        self.network._leave(self)

    def run_inside(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call something as from within the node, and not from within the one that caused it."""
        self._context.copy().run(function, *arguments)

    def tell_cut_off(self, cut_off: bool) -> None:
        """This node itself can reach nobody, or can again."""
        if self._cut_off is not None:
            self._cut_off(cut_off)

    def look_around(self) -> None:
        """Others may have come, gone, or be cut off."""
        for watch in list(self.watches):
            watch.look()
        for link in list(self.links.values()):
            link.resend()

    def take(self, source: MemoryTransport, number: int, link: bytes, content: Batch | Ack) -> None:
        """Something arrived."""
        if isinstance(content, Ack):
            if link in self.links:
                self.links[link].take(number, content)
            return
        self._arrived.extend(self._incoming.take(content))
        if self._arrived and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)
        if content.answer:
            self.network._post(self, source.name, link, self._incoming.ack(link))

    def end(self, address: str, why: str) -> None:
        """The node at an address is lost."""
        log.info("the node at %s is lost: %s", address, why)
        for link in [each for each in self.links.values() if each.address == address]:
            link.close()
        for watch in [each for each in self.watches if each.address == address]:
            watch.tell_lost()

    def _take_turn(self) -> None:
        self._turn = None
        self._hand_over(_FRAMES_IN_A_TURN)
        if self._arrived and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _hand_over(self, most: int) -> None:
        for _ in range(most):
            if not self._arrived:
                return
            try:
                self._receive(self._arrived.popleft())
            except Exception:
                log.exception("a frame that arrived could not be handled")


class _Link:
    """A `Link`."""

    def __init__(self, here: MemoryTransport, address: str, id: bytes) -> None:
        self.id = id
        self.address = address
        self._here = here
        self._target = name_in(address)
        self._window = SendWindow(id, _run_in(address), most=here.network.most)
        self._loop = asyncio.get_running_loop()
        self._pending = False
        self._resending: asyncio.TimerHandle | None = None
        self._newest = 0
        self._over = False

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Hand over a frame."""
        check_frame(frame)
        if not self._over:
            self._window.put(frame, urgent=urgent)
            self._soon()

    async def flushed(self) -> None:
        """Wait for everything so far to be received."""
        if not self._over:
            arrived = self._window.flush()
            self._soon()
            await arrived

    def close(self) -> None:
        """End it, and drop what waits."""
        self._over = True
        if self._resending is not None:
            self._resending.cancel()
            self._resending = None
        self._window.close()
        self._here.links.pop(self.id, None)

    def resend(self) -> None:
        """What left may be lost."""
        if self._resending is not None:
            self._resending.cancel()
            self._resending = None
        if self._window.is_unsure:
            self._window.again()
        self._soon()

    def take(self, number: int, ack: Ack) -> None:
        """Take an acknowledgement; one that a newer one has overtaken is ignored."""
        if number > self._newest:
            self._newest = number
            if why := self._window.take(ack):
                self._here.end(self.address, why)

    def _soon(self) -> None:
        if not self._pending:
            self._pending = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._pending = False
        here = self._here
        if here.network._reached(here, self._target) is None:
            return  # the network says when that changes
        while not self._over and (batch := self._window.next()) is not None:
            here.network._post(here, self._target, self.id, batch)
            self._window.sent()
        if self._window.is_unsure and self._resending is None:
            self._resending = self._loop.call_later(here.network.resend_after, self.resend)


class _Watch:
    """A `Watch`."""

    def __init__(
        self,
        here: MemoryTransport,
        address: str,
        back: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self.address = address
        self._here = here
        self._back = back
        self._lost = lost
        self._met = False
        self._loop = asyncio.get_running_loop()  # a test may cut and heal while it does not run
        self._clock: asyncio.TimerHandle | None = None
        self._over = False

    def look(self) -> None:
        """Look whether the node can be reached now."""
        there = self._here.network._reached(self._here, name_in(self.address))
        if there is None or _run_in(self.address) not in (ANY_RUN, there.run):
            if self._clock is None:
                self._clock = self._loop.call_later(self._here.network.node_timeout, self._due)
            return
        was_away = self._clock is not None
        self._stop_clock()
        if was_away and self._met:
            self._back()
        self._met = True

    def tell_lost(self) -> None:
        """The node is lost."""
        if not self._over:
            self.close()
            self._lost()

    def close(self) -> None:
        """Report nothing more."""
        self._over = True
        self._stop_clock()
        if self in self._here.watches:
            self._here.watches.remove(self)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _due(self) -> None:
        self._here.end(
            self.address, f"it could not be reached for {self._here.network.node_timeout:g} s"
        )


def _nobody(frame: Buffer) -> None: ...


def _run_in(address: str) -> bytes:
    text = address.partition("#")[2]
    return bytes.fromhex(text) if text else ANY_RUN


def _checked(address: str) -> str:
    try:
        _run_in(address)
    except ValueError:
        address = ""
    if not address.startswith(_SCHEME):
        raise ConfigurationError(f"{address!r} is not an address; write memory:NAME")
    return address
