"""`NatsTransport`: carries batches over core NATS, which keeps nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.connection import Connection
from civitas.brokers.nats.micro import Service, answers
from civitas.brokers.nats.outlet import Outlet
from civitas.brokers.nats.publications import publication
from civitas.brokers.nats.register import Bucket
from civitas.errors import ConfigurationError
from civitas.launch import Fence, fence_of
from civitas.message.large import Buffer
from civitas.transport.batches import BATCH, ID_SIZE, Ack, link_ids, new_id, sender_of
from civitas.transport.contract import CutOff, Link, Watch
from civitas.transport.election import Lead, Leader, OtherRoots, Terms
from civitas.transport.looking import Shows
from civitas.transport.nats.address import ROOT, Subjects, address_of, split_address
from civitas.transport.nats.inbox import NatsInbox
from civitas.transport.nats.neighbour import NatsNeighbour
from civitas.transport.nats.office import Office
from civitas.transport.nats.pulse import NatsPulse
from civitas.transport.nats.service import service_of
from civitas.transport.presence import Presence
from civitas.transport.standing import Belongs

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["NatsTransport"]

log = logging.getLogger("civitas.transport")

_AT_ONCE = 16
"""Batches that are sent before others have a turn."""
_ROOM = 64 * 1024
"""Bytes that a server must take beside the frames of a batch."""
_ECHO = "echo"
"""What a node says to itself, to hear that the server has handed over everything before it."""
_IS_ANYBODY_THERE = 0.5
"""Seconds for the answer of a root. If there is none, the server says so at once."""
_PUMP = 2.0
"""Seconds for the server to hand over what it has."""


class NatsTransport:
    """Carries frames through a NATS server.

    Args:
        options: How to reach the server.
        subjects: Those of the system.
        token: The one under which this node is to be reached whichever run of it there is; None, the default, for one
            of this run alone.
        node_timeout: Seconds without a sign of a node after which it is lost, above 0.
        patience: Seconds that `open` waits for a server that cannot be reached; None waits for ever.
        system: Name of the system, for whoever looks at the server.
        keeps: Whether a node that is cut off keeps its agents going.
        bucket: Of a root, where the roots of the system agree on who leads; None if there may be only one.

    Raises:
        ConfigurationError: On `open`: the server cannot be reached or lets nobody in, or there is a node under that
            token already.
    """

    def __init__(
        self,
        options: NatsOptions,
        subjects: Subjects,
        *,
        token: str | None = None,
        node_timeout: float = 10.0,
        patience: float | None = 10.0,
        system: str = "civitas",
        bucket: Bucket | None = None,
        keeps: bool = False,
    ) -> None:
        self.address = ""
        self.other_roots = OtherRoots()
        self.handles: Callable[[], list[str]] = list
        """What the thread of the pulse says to be in progress; see `Sign`."""
        self._system = system
        self._service: Service | None = None
        self._shows: Shows | None = None
        self._bucket = bucket
        self._keeps = keeps
        self._office: Office | None = None
        self._fence: Fence | None = None
        self._options = options
        self._subjects = subjects
        self._run = new_id()
        self._token = token or self._run.hex()
        self._timeout = node_timeout
        self._patience = patience
        self._ids = link_ids(self._run)
        self._others: dict[str, NatsNeighbour] = {}
        self._acks: deque[tuple[bytes, bytes]] = deque()
        self._echoes: dict[bytes, asyncio.Future[None]] = {}
        self._question = 0
        self._outlet: Outlet | None = None
        self._cut_off: CutOff | None = None
        self._is_cut_off = False
        self._inbox: NatsInbox | None = None
        self._pulse: NatsPulse | None = None
        self._connection: Connection | None = None

    def present(self, node: Presence) -> None:
        """Show a node as a service of the server; see `Presenting.present`."""
        self._service = service_of(node, self._system, self._subjects, self._token, self._run.hex())

    async def elect(
        self, waiting: Callable[[Leader], None], lost: Callable[[str], None]
    ) -> Lead | None:
        """Wait until this root leads; see `Electing.elect`."""
        try:
            await self._begin(waiting, lost)
        except BaseException:
            await self.close()
            raise
        return None if self._office is None else self._office.lease

    async def _begin(self, waiting: Callable[[Leader], None], lost: Callable[[str], None]) -> None:
        """Connect to the server for the first time; a root waits until it is the one."""
        loop, fence = asyncio.get_running_loop(), None
        if self._token == ROOT:
            self._fence = fence = fence_of(loop)

            def lead_is_lost(why: str) -> None:
                if fence is not None:  # first of all, and from this thread
                    fence.lose(why)
                _in_loop(loop, lost, why)

            self._office = Office(
                self._subjects,
                self._run,
                self._bucket,
                Terms.of(self._timeout),
                partial(_in_loop, loop, waiting),
                lead_is_lost,
                keeps=self._keeps,
                others=self.other_roots,
                yields=partial(_in_loop, loop, lambda: self.other_roots.yields()),  # noqa: PLW0108  # it is set later
            )
        self._pulse = NatsPulse(
            self._options,
            self._subjects,
            self._token,
            self._run,
            self._timeout,
            self._office,
            lambda: self.handles(),  # noqa: PLW0108  # it is set later
            keeps=self._keeps,
        )
        self._pulse.looking.shows = self._shows
        await self._pulse.open(self._patience)
        if (office := self._office) is not None and office.lease is not None and fence is not None:
            fence.guard(lambda: self._keeps or office.holds())

    async def open(self, receive: Callable[[Buffer], None], cut_off: CutOff | None = None) -> None:
        """Begin to receive; see `Transport.open`."""
        self._cut_off = cut_off
        self._inbox = NatsInbox(self._run, receive, self._answer, self._known)
        self._outlet = Outlet(self._client, self._fill)
        self._connection = Connection(
            self._options,
            name=f"civitas {self._token}",
            inbox=self._subjects.inbox,
            subscribe=self._subscribe,
            up=self._up,
            down=self._down,
            silence=min(6.0, self._timeout),
        )
        try:
            if self._pulse is None:
                await self._begin(lambda leader: None, lambda why: None)
            await self._connection.open(self._patience)
        except BaseException:
            await self.close()
            raise
        assert self._pulse is not None  # it has begun
        self._pulse.show()
        self.address = address_of(self._token, self._run)

    def connect(self, address: str) -> Link:
        """Make a link; see `Transport.connect`. An address without a run is that of whoever is there first."""
        return self._there(address).connect(next(self._ids))

    def watch(self, address: str, back: Callable[[], None], lost: Callable[[], None]) -> Watch:
        """Watch a node; see `Transport.watch`."""
        return self._there(address).watch(back, lost)

    async def is_absent(self, address: str) -> bool:
        """Whether no root is there, as far as the server knows; see `KnowsAbsence.is_absent`."""
        from nats.errors import NoRespondersError

        token, _ = split_address(address)
        if (client := self._client()) is None or token != ROOT:
            return False
        try:
            await client.request(self._subjects.here(ROOT), b"?", _IS_ANYBODY_THERE)
        except NoRespondersError:
            return True
        except Exception as error:
            log.debug("nats: it is not known whether there is a root: %r", error)
        return False

    def let_look(self, shows: Shows | None) -> None:
        """Let others look into this node; see `Looking.let_look`."""
        self._shows = shows
        if self._pulse is not None:
            self._pulse.looking.shows = shows

    async def look(self, address: str | None, question: bytes, within: float) -> bytes | None:
        """Look into another node; see `Looking.look`."""
        token = None if address is None else split_address(address)[0]
        return await self._pulse.look(token, question, within) if self._pulse is not None else None

    @property
    def token(self) -> str:
        """The one under which this node is reached."""
        return self._token

    def own_subject(self, what: str) -> str:
        """What the subjects of this run alone begin with that are for something beside frames."""
        return f"{self._subjects.base}.{what}.{self._run.hex()}"

    def silence(self) -> float:
        """Seconds since others could see last that this node lives."""
        return 0.0 if self._pulse is None else self._pulse.asking.silence()

    def vouch(self, belongs: Belongs) -> None:
        """Answer those who ask whether they still belong to the system; see `Fencing.vouch`."""
        if self._pulse is not None and self._pulse.vouching is not None:
            self._pulse.vouching.belongs = belongs

    def hold_by(self, fence: Fence, root: str) -> None:
        """Hold this node up whenever it may have been given up; see `Fencing.hold_by`."""
        if self._pulse is not None:
            self._pulse.asking.hold_by(fence)

    async def pump(self) -> None:
        """Hand over everything that has arrived, at the server, too."""
        connection, inbox = self._connection, self._inbox
        if inbox is None or connection is None:
            return
        if (client := connection.client) is not None:
            await self._round_trip(client)
        inbox.pump()

    async def _round_trip(self, client: QuickClient) -> None:
        """Wait until the server has handed over what it had; a `flush` that takes too long would deafen the client."""
        self._question += 1
        subject = self._subjects.acks(self._run, f"{_ECHO}{self._question}").encode()
        back = self._echoes[subject] = asyncio.get_running_loop().create_future()
        try:
            client.write(publication(subject, b""))
            await asyncio.wait({back}, timeout=_PUMP)
        finally:
            del self._echoes[subject]

    async def close(self) -> None:
        """End all links and stop receiving."""
        for there in list(self._others.values()):
            there.close()
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            await outlet.close()
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        if self._fence is not None:
            self._fence.open()
        pulse, self._pulse = self._pulse, None
        if pulse is not None:
            await pulse.close()

    # The connection.

    async def _subscribe(self, client: QuickClient) -> None:
        if client.max_payload < BATCH + _ROOM:
            raise ConfigurationError(
                f"the NATS server at {self._options.where} takes messages of {client.max_payload:,} bytes; "
                f"max_payload must be {BATCH + _ROOM:,} at least"
            )
        assert self._inbox is not None  # it is there while there is a connection
        subjects = self._subjects
        # What waits in the inbox is bounded by those who send it.
        await client.take(subjects.batches(self._token), self._inbox.arrived)
        await client.take(subjects.acks(self._run, "*"), self._take_ack)
        if self._service is not None:
            await answers(client, self._service, subjects.is_inner)

    def _up(self) -> None:
        if self._is_cut_off:
            self._is_cut_off = False
            if self._cut_off is not None:
                self._cut_off(False)
        for there in list(self._others.values()):
            there.again()
        self._wanted()

    def _down(self) -> None:
        self._acks.clear()  # whoever waits for one asks again
        if not self._is_cut_off:
            self._is_cut_off = True
            if self._cut_off is not None:
                self._cut_off(True)

    # What travels.

    def _wanted(self) -> None:
        if self._outlet is not None:
            self._outlet.wanted()

    def _fill(self, publications: list[bytes]) -> bool:
        """Take what the links have now, a batch of each in turn; return whether there may be more."""
        while self._acks:
            subject, ack = self._acks.popleft()
            publications.append(publication(subject, ack))
        done = 0
        while True:
            before = done
            for there in list(self._others.values()):
                for link in list(there.links.values()):
                    if (found := link.next()) is None:
                        continue
                    batch, about = found
                    reply = self._subjects.acks(self._run, about).encode()
                    publications.append(publication(there.subject, batch.pack()[0], reply))
                    done += 1
            if done == before:
                return False
            if done >= _AT_ONCE:
                return True

    def _client(self) -> QuickClient | None:
        return None if self._connection is None else self._connection.client

    def _answer(self, link: bytes, reply: bytes, ack: Ack) -> None:
        if self._subjects.holds(reply) and (self._office is None or self._office.holds()):
            self._acks.append((reply, link + ack.pack()))
            self._wanted()

    def _take_ack(self, subject: bytes, _: bytes, raw: bytes, __: bytes) -> None:
        if (echo := self._echoes.get(subject)) is not None:
            if not echo.done():
                echo.set_result(None)
            return
        link_id = raw[:ID_SIZE]
        for there in list(self._others.values()):
            if (link := there.links.get(link_id)) is not None:
                try:
                    ack = Ack.unpack(raw[ID_SIZE:])
                except ValueError:
                    return
                link.take(ack, subject.rpartition(b".")[2].decode())
                return

    def _known(self) -> set[bytes]:
        """The senders that this node has links to, and so knows."""
        return {
            sender_of(link.run) for there in self._others.values() for link in there.links.values()
        }

    def _there(self, address: str) -> NatsNeighbour:
        if (there := self._others.get(address)) is None:
            token, run = split_address(address)
            if self._pulse is None:
                raise ConfigurationError("the transport is not open; call open() first")
            there = self._others[address] = NatsNeighbour(
                address,
                token,
                run,
                subject=self._subjects.batches(token).encode(),
                pulse=self._pulse,
                wanted=self._wanted,
                over=lambda there: self._over(address, there),
            )
        return there

    def _over(self, address: str, there: NatsNeighbour) -> None:
        if self._others.get(address) is there:
            del self._others[address]


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *told: object) -> None:
    """Call a function in the event loop of the transport, from the thread of its pulse, unless it is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *told)
