"""`Office`: the place of the root of a system, which one node has at a time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from civitas.brokers.nats.connection import Connection
from civitas.brokers.nats.register import Away, Bucket, Register, Unavailable
from civitas.errors import ConfigurationError
from civitas.launch.adopted import pid_space
from civitas.transport.batches import ID_SIZE
from civitas.transport.election import Leader, OtherRoots, Terms
from civitas.transport.nats.address import ROOT, Subjects, address_of
from civitas.transport.nats.lease import TAKES_OVER, NatsLease

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["Office", "sign", "signed"]

log = logging.getLogger("civitas.transport")

_IS_ANYBODY_THERE = 0.5
"""Seconds for the answer of another root. If there is none, the server says so at once."""
_TERM_SIZE = 8


def sign(run: bytes, term: int) -> bytes:
    """What a node shows of itself; a term that is 0 is left out."""
    return run + term.to_bytes(_TERM_SIZE, "big") if term else run


def signed(raw: bytes) -> tuple[bytes, int]:
    """The run and the term that a node shows; the term is 0 if it shows none."""
    return raw[:ID_SIZE], int.from_bytes(raw[ID_SIZE:], "big")


class Office:
    """The place of the root. With JetStream it is held by a lease, and others wait; without, another is an error.

    Everything but `holds` is called in the thread of the pulse.

    Args:
        subjects: Of the system.
        run: Of this node.
        bucket: Where the record is that says who leads; None if no record is to be kept.
        terms: The times of an election.
        waiting: Called with each leader that is waited for.
        lost: Called once, with the reason, if this root does not lead any more.
        keeps: Whether processes that are cut off keep their agents going.
        others: What the roots of the system say to each other.
        yields: Called if another root asks this one, while it leads, to pass on what it does.

    Attributes:
        lease: None if there is no means for it.
    """

    def __init__(
        self,
        subjects: Subjects,
        run: bytes,
        bucket: Bucket | None,
        terms: Terms,
        waiting: Callable[[Leader], None],
        lost: Callable[[str], None],
        *,
        keeps: bool,
        others: OtherRoots,
        yields: Callable[[], object],
    ) -> None:
        self._others = others
        self._yields = yields
        self._subjects = subjects
        self._run = run
        self._waiting = waiting
        self._lost = lost
        self._connection: Connection | None = None
        self._denied = ""
        self._taken = False
        self._keeping: asyncio.Task[None] | None = None
        self.lease: NatsLease | None = None
        if bucket is not None:
            record, notes = (
                Register(self._connected, bucket, key, terms.silence / 3)
                for key in ("leader", "notes")
            )
            self.lease = NatsLease(
                *(record, notes, terms, pid_space(), subjects.waits, subjects.takes, others)
            )
            self.lease.place = address_of(ROOT)
            if keeps:
                self.lease.patience = math.inf

    def _connected(self) -> Client | None:
        return None if self._connection is None else self._connection.client

    def holds(self) -> bool:
        """Whether this root may act as the root at this moment."""
        return self.lease is None or self.lease.holds()

    def acts(self) -> bool:
        """Whether this node is the root, and may act as such."""
        return self._taken and self.holds()

    @property
    def sign(self) -> bytes:
        """What the root shows of itself."""
        return sign(self._run, 0 if self.lease is None else self.lease.leader.term)

    def heard(self, error: Exception) -> None:
        """The server said what is wrong."""
        text = str(error)
        if "permissions violation" in text.lower() and "$js." in text.lower():
            self._denied = text

    async def take(self, connection: Connection, patience: float | None) -> None:
        """Wait until this node is the root.

        Args:
            connection: It is open.
            patience: Seconds for JetStream to answer at all; None waits for ever.

        Raises:
            ConfigurationError: There is another root, and nothing by which one could wait for it; or JetStream does
                not answer.
        """
        self._connection = connection
        if self.lease is not None and not await self._has_means(self.lease, patience):
            self.lease = None
        if self.lease is not None:
            await self.lease.win(self._connected, self._waiting)
        await self._refuse_another()
        self._taken = True
        if (client := connection.client) is not None:
            await self.subscribe(client)
        if self.lease is not None:
            self._keeping = asyncio.create_task(self.lease.keep(self._lost))

    async def subscribe(self, client: Client) -> None:
        """Answer whoever asks whether there is a root, if this node is."""
        if not self._taken:
            return
        await client.subscribe(self._subjects.here(ROOT), cb=self._say_here)
        if self.lease is not None:
            await client.subscribe(self._subjects.waits, cb=self.lease.somebody_waits)
            await client.subscribe(self._subjects.takes, cb=self._is_asked_to_pass_on)

    async def _is_asked_to_pass_on(self, message: Msg) -> None:
        lease = self.lease
        if lease is None or not lease.holds():
            return
        if self._others.is_said(message.data, TAKES_OVER, lease.leader.id):
            self._yields()

    async def leave(self) -> None:
        """Give it back; does nothing if it was not taken, or was lost."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self.lease is not None and self._taken and self.lease.holds():
            await self.lease.release()

    async def _has_means(self, lease: NatsLease, patience: float | None) -> bool:
        """Whether the server lets the roots of this system keep a record."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                await lease.make()
            except Unavailable as error:
                log.info("nats: one root at a time: %s", error)
                return False
            except Away as error:
                if self._denied:
                    log.info("nats: one root at a time: %s", self._denied)
                    return False
                if patience is not None and loop.time() - began > patience:
                    raise ConfigurationError(
                        f"JetStream, by which the roots of a system agree on who leads, does not answer: {error}. "
                        "See to the NATS server, or write jetstream: false in 'transport' for a system with one root"
                    ) from error
                await asyncio.sleep(0.2)
            else:
                return True

    async def _refuse_another(self) -> None:
        client = self._connected()
        if client is None:
            return
        try:
            answer = await client.request(self._subjects.here(ROOT), b"?", _IS_ANYBODY_THERE)
        except Exception as error:
            log.debug("nats: there is no other root: %r", error)
            return
        _, term = signed(answer.data)
        if self.lease is not None and term:
            return  # it led before this one, and is about to find that out
        if self.lease is not None:
            await self.lease.release()
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ConfigurationError(
            f"another root of this system is running: somebody answers at {self._subjects.here(ROOT)}; end it "
            "first, or give this system another name or prefix"
        )

    async def _say_here(self, message: Msg) -> None:
        client = self._connected()
        if client is not None and message.reply.startswith(self._subjects.inbox) and self.holds():
            await client.publish(message.reply, self.sign)
