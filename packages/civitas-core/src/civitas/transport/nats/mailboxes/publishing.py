"""Puts messages into streams, many at once, and hears of each whether it was stored."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats.jetstream import NatsRefusal
from civitas.transport.mailboxes import NoRoom, NotKept, Unsure

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["Publishing"]

_PATIENCE = 2.0
"""Seconds for the server to say that it has a message."""
_LOOK = 0.5
"""Seconds between two looks for those that it did not answer in time."""


class Publishing:
    """What a node publishes to JetStream over one connection after the other.

    A message that was in flight when the connection was lost is never published again by itself: whoever put it does
    that, with all that came behind it, so that the order holds.

    Args:
        client: The connection; None while there is none.
        inbox: Prefix of the subjects at which answers arrive.
    """

    def __init__(self, client: Callable[[], Client | None], inbox: str) -> None:
        self._client = client
        self._inbox = f"{inbox}."
        self._loop = asyncio.get_running_loop()
        self._numbers = map(str, count(1))
        self._in_flight: dict[str, tuple[asyncio.Future[int], float]] = {}
        """By the last token of the subject for the answer, the oldest first."""
        self._confirming: dict[str, asyncio.Future[bool]] = {}
        self._waiting: deque[tuple[str, bytes, str, dict[str, str] | None]] = deque()
        self._wanted = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self._look: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin."""
        self._sending = self._loop.create_task(self._send())

    async def subscribe(self, client: Client) -> None:
        """Listen on a new connection."""
        unlimited: dict[str, Any] = {"pending_msgs_limit": 0, "pending_bytes_limit": 0}
        await client.subscribe(f"{self._inbox}*", cb=self._answered, **unlimited)

    def put(self, subject: str, body: bytes, headers: Mapping[str, str]) -> asyncio.Future[int]:
        """Publish a message; ends with its sequence, or as `Mailboxes.put`."""
        stored: asyncio.Future[int] = self._loop.create_future()
        if self._client() is None:
            stored.set_exception(Unsure("there is no connection to the NATS server"))
            return stored
        number = next(self._numbers)
        self._in_flight[number] = stored, self._loop.time()
        self._publish(subject, body, self._inbox + number, dict(headers))
        if self._look is None:
            self._look = self._loop.call_later(_LOOK, self._look_for_late_ones)
        return stored

    def tell(self, subject: str, body: bytes) -> None:
        """Publish what nobody answers; dropped while there is no connection."""
        self._publish(subject, body, "", None)

    def request(self, subject: str, body: bytes, reply: str) -> None:
        """Publish what is answered at `reply`; dropped while there is no connection."""
        self._publish(subject, body, reply, None)

    def confirm(self, subject: str, body: bytes) -> asyncio.Future[bool]:
        """Publish what the server confirms; False if it did not, as the connection was lost."""
        confirmed: asyncio.Future[bool] = self._loop.create_future()
        if self._client() is None:
            confirmed.set_result(False)
            return confirmed
        number = f"c{next(self._numbers)}"
        self._confirming[number] = confirmed
        self._loop.call_later(_PATIENCE, self._confirmed, number, False)
        self._publish(subject, body, self._inbox + number, None)
        return confirmed

    def lost(self) -> None:
        """The connection is gone, and everything that was not sent with it."""
        self._waiting.clear()
        in_flight, self._in_flight = self._in_flight, {}
        for stored, _ in in_flight.values():
            _fail(stored, Unsure("the connection to the NATS server was lost"))
        for number in list(self._confirming):
            self._confirmed(number, False)

    async def close(self) -> None:
        """Send what waits, and end."""
        sending, self._sending = self._sending, None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if sending is not None:
            while not sending.done():
                sending.cancel()
                await asyncio.wait({sending}, timeout=0.1)
            client = self._client()
            if client is not None:
                with suppress(Exception):
                    while self._waiting:
                        await self._send_one(client)
                    await client.flush(1)
        self.lost()

    # Going.

    def _publish(
        self, subject: str, body: bytes, reply: str, headers: dict[str, str] | None
    ) -> None:
        self._waiting.append((subject, body, reply, headers))
        self._wanted.set()

    async def _send(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                client = self._client()
                if client is None:
                    self.lost()
                    break
                await self._send_one(client)

    async def _send_one(self, client: Client) -> None:
        subject, body, reply, headers = self._waiting.popleft()
        try:
            await client.publish(subject, body, reply, headers)
        except Exception as error:
            found = self._in_flight.pop(reply.rpartition(".")[2], None)
            if found is not None:
                _fail(found[0], Unsure(f"{type(error).__name__}: {error}"))

    # Coming back.

    async def _answered(self, message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        found = self._in_flight.pop(number, None)
        if found is None:
            self._confirmed(number, not message.headers)
            return
        stored = found[0]
        if stored.done():
            return
        try:
            answer = json.loads(message.data)
        except ValueError:
            stored.set_exception(Unsure("the stream has no leader, or is not there"))
            return
        if "error" in answer:
            stored.set_exception(_meaning(NatsRefusal(answer["error"])))
        else:
            stored.set_result(answer["seq"])

    def _confirmed(self, number: str, well: bool) -> None:
        confirmed = self._confirming.pop(number, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(well)

    def _look_for_late_ones(self) -> None:
        self._look = None
        late = self._loop.time() - _PATIENCE
        for number, (stored, since) in list(self._in_flight.items()):
            if since > late:
                self._look = self._loop.call_later(_LOOK, self._look_for_late_ones)
                return
            del self._in_flight[number]
            _fail(stored, Unsure(f"the NATS server did not answer for {_PATIENCE:g} s"))


def _meaning(refusal: NatsRefusal) -> Exception:
    if refusal.is_no_room:
        return NoRoom(refusal.text)
    if refusal.may_pass or refusal.is_gone:
        return Unsure(str(refusal))
    if refusal.is_full:
        return NotKept(
            f"the storage of the NATS server is full ({refusal}). Free some space, or raise max_bytes of the stream or "
            "the limits of the account or the server"
        )
    return NotKept(f"the NATS server refused it ({refusal})")


def _fail(future: asyncio.Future[int], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # perhaps nobody waits any more
