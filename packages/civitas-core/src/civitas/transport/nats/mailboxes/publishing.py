"""Puts messages into streams, many at once, and hears of each whether it was stored."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from civitas.brokers.nats.jetstream import NatsRefusal
from civitas.brokers.nats.outlet import Outlet
from civitas.brokers.nats.publications import header, publication
from civitas.transport.mailboxes import Landed, NoRoom, NotKept, Unsure

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["Publishing"]

_PATIENCE = 2.0
"""Seconds for the server to say that it has a message."""
_LOOK = 0.5
"""Seconds between two looks for those that it did not answer in time."""
_STORED = re.compile(rb'{"stream":"[^"\\\\]*", ?"seq":(\d+)}')
"""What a server says of nearly every message; whatever else it says is read as JSON."""


class Publishing:
    """What a node publishes to JetStream over one connection after the other.

    A message that was in flight when the connection was lost is never published again by itself: whoever put it does
    that, with all that came behind it, so that the order holds.

    Args:
        client: The connection; None while there is none.
        inbox: Prefix of the subjects at which answers arrive.
    """

    def __init__(self, client: Callable[[], QuickClient | None], inbox: str) -> None:
        self._client = client
        self._inbox = inbox
        self._answers_to = f"{inbox}.".encode()
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._in_flight: dict[bytes, tuple[Landed, float]] = {}
        """By the last token of the subject for the answer, the oldest first."""
        self._confirming: dict[bytes, asyncio.Future[bool]] = {}
        self._waiting: list[bytes] = []
        """To be sent in the next turn. It is emptied when the connection is lost: if something waits, there is one."""
        self._outlet = Outlet(client, self._fill)
        self._most = 0
        """Bytes that the server takes in one message."""
        self._look: asyncio.TimerHandle | None = None

    async def subscribe(self, client: QuickClient) -> None:
        """Listen on a new connection."""
        self._most = client.max_payload
        await client.take(f"{self._inbox}.*", self._answered)

    def put(
        self, subject: bytes, id: str, body: bytes, headers: Mapping[str, str], landed: Landed
    ) -> None:
        """Publish a message; ends as `Mailboxes.put`."""
        if not self._waiting and self._client() is None:
            self._end(landed, Unsure("there is no connection to the NATS server"))
            return
        head = header(id, headers)
        if len(head) + len(body) > self._most:
            why = f"{len(head) + len(body):,} bytes with its headers are more than the NATS server takes in one message"
            self._end(landed, NotKept(why))
            return
        number = b"%d" % next(self._numbers)
        self._in_flight[number] = landed, self._loop.time()
        self._waiting.append(publication(subject, body, self._answers_to + number, head))
        self._outlet.wanted()
        if self._look is None:
            self._look = self._loop.call_later(_LOOK, self._look_for_late_ones)

    def tell(self, subject: bytes, body: bytes, reply: bytes = b"") -> None:
        """Publish what nobody answers, or what is answered at `reply`; dropped while there is no connection."""
        if self._waiting or self._client() is not None:
            self._waiting.append(publication(subject, body, reply))
            self._outlet.wanted()

    def confirm(self, subject: bytes, body: bytes) -> asyncio.Future[bool]:
        """Publish what the server confirms; False if it did not, as the connection was lost."""
        confirmed: asyncio.Future[bool] = self._loop.create_future()
        if self._client() is None:
            confirmed.set_result(False)
            return confirmed
        number = b"c%d" % next(self._numbers)
        self._confirming[number] = confirmed
        self._loop.call_later(_PATIENCE, self._confirmed, number, False)
        self.tell(subject, body, self._answers_to + number)
        return confirmed

    def lost(self) -> None:
        """The connection is gone, and everything that was not sent with it."""
        self._waiting.clear()
        in_flight, self._in_flight = self._in_flight, {}
        for landed, _ in in_flight.values():
            landed(Unsure("the connection to the NATS server was lost"))
        for number in list(self._confirming):
            self._confirmed(number, False)

    async def close(self) -> None:
        """Send what waits, and end."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        await self._outlet.close()
        client = self._client()
        if client is not None:
            with suppress(Exception):
                client.write(b"".join(self._waiting))
                await client.flush(1)
        self.lost()

    def _end(self, landed: Landed, error: Exception) -> None:
        self._loop.call_soon(landed, error)

    def _fill(self, publications: list[bytes]) -> bool:
        publications += self._waiting
        self._waiting.clear()
        return False

    # Coming back.

    def _answered(self, subject: bytes, _: bytes, data: bytes, head: bytes) -> None:
        number = subject.rpartition(b".")[2]
        found = self._in_flight.pop(number, None)
        if found is None:
            self._confirmed(number, not head)
            return
        landed = found[0]
        if (stored := _STORED.match(data)) is not None:
            landed(int(stored[1]))
            return
        try:
            answer = json.loads(data)
        except ValueError:
            landed(Unsure("the stream has no leader, or is not there"))
            return
        landed(_meaning(NatsRefusal(answer["error"])) if "error" in answer else answer["seq"])

    def _confirmed(self, number: bytes, well: bool) -> None:
        confirmed = self._confirming.pop(number, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(well)

    def _look_for_late_ones(self) -> None:
        self._look = None
        late = self._loop.time() - _PATIENCE
        for number, (landed, since) in list(self._in_flight.items()):
            if since > late:
                self._look = self._loop.call_later(_LOOK, self._look_for_late_ones)
                return
            del self._in_flight[number]
            landed(Unsure(f"the NATS server did not answer for {_PATIENCE:g} s"))


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
