"""Reads one mailbox: a standing pull of its own at the consumer, renewed before it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats.publications import status
from civitas.transport.mailboxes import Letter
from civitas.transport.nats.mailboxes.publishing import Publishing

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["NatsReading"]

log = logging.getLogger("civitas.transport")

_LATE = 1.0
"""Seconds after the end of a pull in which the server may say so."""
_PAUSE = 0.25
"""Seconds before a pull is made again that the server refused."""
_CONFIRM_EVERY = 500
"""So many acknowledgements are sent until one is confirmed, which confirms those before it."""
_ACK = b"+ACK"


class NatsReading:
    """The reader of a mailbox.

    `fetch` of nats-py is not used: it makes a task and an inbox for each call, is deaf after a reconnect, and swallows
    what the server says of a consumer that is gone.

    Args:
        inbox: Where letters arrive.
        stream: Of the mailbox.
        consumer: Of the mailbox.
        publishing: Carries pulls and acknowledgements.
        expires: Seconds that a pull lasts: who is stopped cannot renew it, and gets nothing more.
        take: See `Mailboxes.read`.
        lost: Likewise.
        may_finish: Whether this node has shown lately that it lives, so that nobody can have given it up.
        over: Called when it is closed.
    """

    def __init__(
        self,
        inbox: str,
        stream: str,
        consumer: str,
        publishing: Publishing,
        *,
        expires: float,
        take: Callable[[Letter], None],
        lost: Callable[[], None],
        may_finish: Callable[[], bool],
        over: Callable[[], object],
    ) -> None:
        self._inbox = inbox
        self._pull_at = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode()
        self._publishing = publishing
        self._expires = expires
        self._take = take
        self._lost = lost
        self._may_finish = may_finish
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._room = 0
        """How many letters are wanted, beyond those that were asked for."""
        self._asked = 0
        """How many were asked for and have not come."""
        self._pulled_at = 0.0
        self._number = 0
        """Of the last delivery, as the consumer counts."""
        self._reads = False
        self._generation = 0
        """How often it has begun; the pulls of an earlier one stand at the server until they expire."""
        self._early: list[Letter] = []
        """What has come since the consumer was reset, ahead of `renew`: a pull of before has brought it."""
        self._finishing: dict[int, None] = {}
        """The places of what was finished, and not surely taken out yet."""
        self._outs: dict[int, tuple[asyncio.Future[bool], int]] = {}
        """Who waits until something is surely out, by its place, and the generation that it was delivered in last."""
        self._unconfirmed = 0
        self._held: dict[int, Letter] = {}
        """What was taken and is not finished, by place."""
        self._timer: asyncio.TimerHandle | None = None
        self._subscription: Any = None
        self._closed = False

    async def subscribe(self, client: QuickClient) -> None:
        """Listen on a new connection."""
        if not self._closed:
            self._subscription = await client.take(f"{self._inbox}.*", self._arrived)

    def handles(self) -> list[str]:
        """By which the server knows what is held; may be called in another thread."""
        return [each.handle.decode() for each in list(self._held.values())]

    # As its reader uses it.

    def want(self, count: int) -> None:
        """Take more; see `Reading.want`."""
        self._room += count
        self._pull()

    def renew(self) -> None:
        """Begin again; see `Reading.renew`."""
        if self._closed:
            return
        self._reads = True
        self._generation += 1
        self._number = 0
        self._room += self._asked
        self._asked = 0
        if self._outs and not self._room:
            self._room = 1  # or nothing would show whether those are out
        early, self._early = self._early, []
        for number, letter in enumerate(early, 1):
            self._delivered(number, letter)
        self._pull()

    def interrupted(self) -> None:
        """What was on its way may be lost: read nothing before the root says that this node still may."""
        if self._reads and not self._closed:
            self._reads = False
            self._early.clear()
            self._lost()

    def finish(self, letter: Letter) -> None:
        """Acknowledge it; see `Reading.finish`."""
        self._held.pop(letter.place, None)
        self._finishing[letter.place] = None
        if not self._can_finish():
            return  # it comes again, and is known then
        self._unconfirmed += 1
        if self._unconfirmed >= _CONFIRM_EVERY:
            self._unconfirmed = 0
            before = list(self._finishing)
            confirmed = self._publishing.confirm(letter.handle, _ACK)
            confirmed.add_done_callback(lambda done: self._are_out(before, done.result()))
        else:
            self._publishing.tell(letter.handle, _ACK)

    async def finished(self, letter: Letter) -> bool:
        """Acknowledge it, and wait for the server; see `Reading.finished`."""
        if self._closed:
            return False
        self._held.pop(letter.place, None)
        self._finishing[letter.place] = None
        out: asyncio.Future[bool] = self._loop.create_future()
        self._outs[letter.place] = out, self._generation
        self._confirm(letter.place, letter.handle)
        try:
            return await out
        finally:
            self._outs.pop(letter.place, None)

    async def close(self) -> None:
        """End it; see `Reading.close`."""
        self._closed = True
        self._reads = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with suppress(Exception):  # the connection is gone, and it with that
                await subscription.unsubscribe()
        self._held.clear()
        self._early.clear()
        for out, _ in self._outs.values():
            if not out.done():
                out.set_result(False)
        self._over()

    def _can_finish(self) -> bool:
        if not self._reads:
            return False
        if not self._may_finish():
            log.warning("this node was stopped for a while; asking the root whether it may go on")
            self.interrupted()
            return False
        return True

    def _are_out(self, places: list[int], well: bool) -> None:
        if well:
            for place in places:
                self._finishing.pop(place, None)

    def _confirm(self, place: int, handle: bytes) -> None:
        """Acknowledge what somebody waits for, until the server has confirmed that, or it comes again."""
        generation = self._generation
        if self._closed or place not in self._outs or not self._can_finish():
            return

        def confirmed(done: asyncio.Future[bool]) -> None:
            if done.result():
                self._is_out(place)
            elif generation == self._generation:
                self._loop.call_later(_PAUSE, again)

        def again() -> None:
            if generation == self._generation:
                self._confirm(place, handle)

        self._publishing.confirm(handle, _ACK).add_done_callback(confirmed)

    def _is_out(self, place: int) -> None:
        self._finishing.pop(place, None)
        out, _ = self._outs.get(place, (None, 0))
        if out is not None and not out.done():
            out.set_result(True)

    def _those_before_are_out(self, place: float) -> None:
        """What is unfinished comes again in order: what was finished, before this place, and did not come is out."""
        for each, (_, generation) in list(self._outs.items()):
            if generation != self._generation and each < place:
                self._is_out(each)

    # At the server.

    def _pull(self) -> None:
        if not self._reads or self._room <= 0 or self._room < self._asked:
            return
        count, self._room = self._room, 0
        self._asked += count
        self._pulled_at = self._loop.time()
        body = {"batch": count, "expires": round(self._expires * 1e9)}
        arrives_at = f"{self._inbox}.{self._generation}"
        self._publishing.tell(self._pull_at, json.dumps(body).encode(), arrives_at.encode())
        if self._timer is None:
            self._timer = self._loop.call_later(self._expires + _LATE, self._look)

    def _look(self) -> None:
        """The server says when a pull ends; when it does not, it has forgotten it."""
        self._timer = None
        rest = self._pulled_at + self._expires + _LATE - self._loop.time()
        if self._asked and rest <= 0:
            self._room += self._asked
            self._asked = 0
            self._pull()
        if self._asked and self._timer is None:
            self._timer = self._loop.call_later(max(rest, _LATE), self._look)

    def _arrived(self, subject: bytes, reply: bytes, body: bytes, head: bytes) -> None:
        if self._closed:
            return
        if not reply:
            if self._reads and subject.endswith(b".%d" % self._generation):
                self._heard(*status(head))
            return
        parts = reply.split(b".")
        # With an account of its own, a domain and a hash stand in front.
        at = 2 if len(parts) == 9 else 4
        place, number, behind = int(parts[at + 3]), int(parts[at + 4]), int(parts[at + 6])
        letter = Letter(place, body, behind, reply)
        if self._reads:
            self._asked = max(self._asked - 1, 0)
            self._delivered(number, letter)
            self._pull()
            return
        if number == 1:  # the consumer was reset
            self._early.clear()
        if number == len(self._early) + 1:
            self._early.append(letter)

    def _delivered(self, number: int, letter: Letter) -> None:
        """Take what is the next, or was taken before; what does not follow shows that something was lost."""
        if not self._reads:
            return
        if number != self._number + 1:
            log.debug("nats: delivery %d came after %d", number, self._number)
            self.interrupted()
            return
        self._number = number
        if self._outs:
            self._came(letter)
        if letter.place in self._finishing:
            self._room += 1
            if letter.place not in self._outs:
                self._publishing.tell(letter.handle, _ACK)
        elif (held := self._held.get(letter.place)) is not None:
            self._room += 1
            held.handle = letter.handle
        else:
            self._held[letter.place] = letter
            self._take(letter)

    def _came(self, letter: Letter) -> None:
        """Something has come while somebody waits until something else, or this, is out."""
        if (waiting := self._outs.get(letter.place)) is not None:
            self._outs[letter.place] = waiting[0], self._generation
            self._confirm(letter.place, letter.handle)
        self._those_before_are_out(letter.place if letter.behind else math.inf)

    def _heard(self, number: str, fields: Mapping[str, str]) -> None:
        """The server says that a pull is over."""
        left = fields.get("Nats-Pending-Messages")
        given_back = min(int(left), self._asked) if left is not None else self._asked
        self._asked -= given_back
        self._room += given_back
        if number == "408":
            if given_back:  # there was nothing more
                self._those_before_are_out(math.inf)
            self._pull()
            return
        log.debug("nats: a pull ended: %s %s", number, fields["Description"])
        self._loop.call_later(_PAUSE, self._pull)
