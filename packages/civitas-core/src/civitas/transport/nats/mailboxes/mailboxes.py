"""`NatsMailboxes`: the mailboxes of a system, as one node uses them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.connection import Connection
from civitas.brokers.nats.jetstream import NatsRefusal
from civitas.errors import ConfigurationError
from civitas.transport.dead_letters import DeadLetterBox
from civitas.transport.mailboxes import Landed, Letter, NotKept, Reading
from civitas.transport.nats.mailboxes.names import MailboxNames
from civitas.transport.nats.mailboxes.publishing import Publishing
from civitas.transport.nats.mailboxes.reading import NatsReading

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["NatsMailboxes", "Sign"]

log = logging.getLogger("civitas.transport")

_PAUSE = 0.2
"""Seconds before a piece of a large message is put or asked for again."""
_AROUND = 8 * 1024
"""Bytes of a message for its subject and its headers."""


class Sign(Protocol):
    """Shows that a node lives, from a thread of its own."""

    handles: Callable[[], list[str]]
    """What that thread says to be in progress: the subjects at which deliveries are acknowledged."""

    def silence(self) -> float:
        """Seconds since the node showed last that it lives."""
        ...


class NatsMailboxes:
    """Puts into the streams of a system and reads them, over a connection of its own.

    User messages may be many and large; what else travels must not wait behind them.

    Args:
        options: How to reach the server.
        names: What streams and consumers are called.
        inbox: Prefix of the subjects at which answers arrive; nobody else's.
        who: What the server shows for the connection.
        sign: Shows that this node lives.
        node_timeout: Seconds without a sign after which it may have been given up.
        dead_letters: Those of the system.
    """

    def __init__(
        self,
        options: NatsOptions,
        names: MailboxNames,
        *,
        inbox: str,
        who: str,
        sign: Sign,
        node_timeout: float,
        dead_letters: DeadLetterBox,
    ) -> None:
        self.largest = 0
        self.dead_letters = dead_letters
        self.on_up: Callable[[], None] = _nothing
        self._options = options
        self._names = names
        self._inbox = inbox
        self._who = who
        self._sign = sign
        self._timeout = node_timeout
        self._connection: Connection | None = None
        self._publishing: Publishing | None = None
        self._readings: dict[NatsReading, None] = {}
        self._numbers = 0

    async def open(self, patience: float | None) -> None:
        """Connect; see `Mailboxes.open`."""
        self._publishing = Publishing(self._client, f"{self._inbox}.put")
        self._connection = Connection(
            self._options,
            name=f"civitas {self._who} mailboxes",
            inbox=f"{self._inbox}.inbox",
            subscribe=self._subscribe,
            up=self._up,
            down=self._down,
            silence=min(6.0, self._timeout),
            keeps_unsent=False,
        )
        try:
            await self._connection.open(patience)
        except BaseException:
            await self.close()
            raise
        self._sign.handles = self._handles

    def put(
        self,
        address: str,
        key: str,
        id: str,
        body: bytes,
        headers: Mapping[str, str],
        landed: Landed,
    ) -> None:
        """Put a message into a stream; see `Mailboxes.put`."""
        assert self._publishing is not None  # it is open
        subject = self._names.subject(address, key).encode()
        self._publishing.put(subject, id, body, headers, landed)

    async def keep_apart(self, raw: bytes) -> str:
        """Put it into a stream of its own, in pieces; see `Mailboxes.keep_apart`."""
        assert self._publishing is not None  # it is open
        reference = uuid.uuid4().hex
        count = -(-len(raw) // self.largest)
        for piece in range(count):
            part = raw[piece * self.largest : (piece + 1) * self.largest]
            subject = self._names.body(reference, piece)
            while not await self._put_piece(subject, part):
                await asyncio.sleep(_PAUSE)
        return f"{reference}.{count}"

    async def _put_piece(self, subject: str, part: bytes) -> bool:
        """Whether it is stored; raises `NotKept`."""
        assert self._publishing is not None  # it is open
        stored: asyncio.Future[int | Exception] = asyncio.get_running_loop().create_future()

        def landed(what: int | Exception) -> None:
            if not stored.done():
                stored.set_result(what)

        self._publishing.put(subject.encode(), subject, part, {}, landed)
        what = await stored
        if isinstance(what, NotKept):
            raise what
        return isinstance(what, int)

    async def fetch(self, reference: str) -> bytes | None:
        """Read the pieces; see `Mailboxes.fetch`."""
        name, _, count = reference.partition(".")
        pieces: list[bytes] = []
        while len(pieces) < int(count):
            subject = self._names.body(name, len(pieces))
            found = await self._message(subject)
            if found is None:
                return None
            pieces.append(found)
        return b"".join(pieces)

    async def _message(self, subject: str) -> bytes | None:
        ask = f"$JS.API.STREAM.MSG.GET.{self._names.bodies}"
        while True:
            client = self._client()
            try:
                if client is not None:
                    body = json.dumps({"last_by_subj": subject}).encode()
                    answer = json.loads((await client.request(ask, body, 5)).data)
                    if "error" not in answer:
                        return base64.b64decode(answer["message"].get("data", ""))
                    refusal = NatsRefusal(answer["error"])
                    if refusal.is_absent or refusal.is_gone:
                        return None
            except Exception as error:
                log.debug("nats: %s", error)
            await asyncio.sleep(_PAUSE)

    def drop(self, reference: str) -> None:
        """Purge its subjects; see `Mailboxes.drop`."""
        if self._publishing is not None:
            subject = self._names.body(reference.partition(".")[0], "*")
            ask = f"$JS.API.STREAM.PURGE.{self._names.bodies}"
            self._publishing.tell(ask.encode(), json.dumps({"filter": subject}).encode())

    async def retract(self, address: str, places: Sequence[int]) -> bool:
        """Delete them from the stream; see `Mailboxes.retract`."""
        assert self._publishing is not None  # it is open
        subject = f"$JS.API.STREAM.MSG.DELETE.{self._names.stream(address)}".encode()
        asked = [
            self._publishing.confirm(subject, json.dumps({"seq": place, "no_erase": True}).encode())
            for place in places
        ]
        return all(await asyncio.gather(*asked))

    async def read(
        self, address: str, take: Callable[[Letter], None], lost: Callable[[], None]
    ) -> Reading:
        """Read a mailbox; see `Mailboxes.read`."""
        assert self._publishing is not None  # it is open
        self._numbers += 1
        reading = NatsReading(
            f"{self._inbox}.read.{self._numbers}",
            self._names.stream(address),
            self._names.consumer(address),
            self._publishing,
            expires=min(self._timeout / 2, 5.0),
            take=take,
            lost=lost,
            may_finish=self._may_finish,
            over=lambda: self._readings.pop(reading, None),
        )
        self._readings[reading] = None
        client = self._client()
        if client is not None:
            await reading.subscribe(client)
        return reading

    async def close(self) -> None:
        """End it; see `Mailboxes.close`."""
        for reading in list(self._readings):
            await reading.close()
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            await publishing.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _client(self) -> QuickClient | None:
        return None if self._connection is None else self._connection.client

    def _may_finish(self) -> bool:
        return self._sign.silence() < self._timeout

    def _handles(self) -> list[str]:
        return [handle for each in list(self._readings) for handle in each.handles()]

    async def _subscribe(self, client: QuickClient) -> None:
        if not client._server_info.get("jetstream"):
            raise ConfigurationError(
                f"the NATS server at {self._options.where} has no JetStream, which agents with at_least_once need; "
                "start it with -js, or write 'jetstream: false' to do without"
            )
        self.largest = client.max_payload - _AROUND
        assert self._publishing is not None  # it is there while there is a connection
        await self._publishing.subscribe(client)
        for reading in list(self._readings):
            await reading.subscribe(client)

    def _up(self) -> None:
        asyncio.get_running_loop().call_soon(self._is_up)  # the client is not in its place yet

    def _is_up(self) -> None:
        if self._client() is None:
            return
        self.on_up()
        for reading in list(self._readings):
            reading.interrupted()

    def _down(self) -> None:
        if self._publishing is not None:
            self._publishing.lost()


def _nothing() -> None: ...
