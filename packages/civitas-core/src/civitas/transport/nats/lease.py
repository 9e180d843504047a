"""`NatsLease`: decides over JetStream which root leads, and keeps the lead as long as it can be renewed."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from civitas.brokers.nats.register import Away, Register, Stale
from civitas.transport.election import Leader, OtherRoots, Terms, Vigil, steady

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

__all__ = ["TAKES_OVER", "NatsLease"]

log = logging.getLogger("civitas.transport")

TAKES_OVER = "take over"
"""What one that waits says to have the leader pass on what it does."""
_WAITS, _STOPPED_WAITING = "waits", "stopped waiting"
_WATCHED = 6
"""After so many renewals without a word of a root that waits, there is none any more."""
_LOOK = 0.005
"""Seconds between two looks whether a note is written: that happens in another thread."""


class NatsLease:
    """The lease of one root. Everything but `holds`, `note` and `noted` is called in the thread of its pulse.

    Args:
        record: Says who leads.
        notes: What the leader notes for the next one.
        terms: The times.
        pid_space: Of this machine.
        waits_at: The subject at which the roots that wait say that they do.
        takes_at: The subject at which one asks the leader to pass on.
        others: What the roots say there.

    Attributes:
        leader: This root, in its term.
        last: Who led before it.
        left: What that one had noted.
        until: When it stops leading if nothing is renewed, by `steady`.
    """

    def __init__(
        self,
        record: Register,
        notes: Register,
        terms: Terms,
        pid_space: str,
        waits_at: str,
        takes_at: str,
        others: OtherRoots,
    ) -> None:
        self.leader = Leader.here(uuid.uuid4().hex, pid_space)
        self.last: Leader | None = None
        self.left = b""
        self.patience = terms.lasts(watched=False)
        self.remind = terms.alone / 2
        self.place = ""
        self.until = 0.0
        self._record = record
        self._notes = notes
        self._terms = terms
        self._pid_space = pid_space
        self._waits_at, self._takes_at, self._others = waits_at, takes_at, others
        self._told = ""
        """The id of the leader that was told last that this root waits."""
        self._revision = 0
        self._noted_at = 0
        self._noted = self._to_note = b""
        self._unwatched = _WATCHED
        self._hurry: Callable[[], object] = _nothing
        """Lets what is to be noted be written at once; may be called in any thread."""

    def holds(self) -> bool:
        """Whether this root leads at this moment."""
        return steady() < self.until

    @property
    def watched(self) -> bool:
        """Whether another root waits."""
        return self._unwatched < _WATCHED

    def note(self, what: bytes) -> None:
        """Note something for the next leader."""
        self._to_note = what

    async def noted(self) -> None:
        """Wait until that is written; see `Lead.noted`."""
        while self._noted != self._to_note and self.holds():
            self._hurry()
            await asyncio.sleep(_LOOK)

    async def make(self) -> None:
        """Make what it is kept in; raises what a `Register` raises."""
        await self._record.make()

    async def win(
        self, client: Callable[[], Client | None], waiting: Callable[[Leader], None]
    ) -> None:
        """Wait until this root leads.

        Args:
            client: The connection; None while there is none.
            waiting: Called with each leader that is waited for.
        """
        try:
            await self._win(client, waiting)
        except asyncio.CancelledError:
            await self._say(client(), self._waits_at, _STOPPED_WAITING, self._told)
            raise
        await self._read_note()

    async def _win(
        self, client: Callable[[], Client | None], waiting: Callable[[Leader], None]
    ) -> None:
        vigil, waited_for = Vigil(self._terms, self._pid_space), ""
        found: Leader | None = None
        while True:
            with suppress(Away):
                revision, raw = await self._record.read()
                found = Leader.of(raw)
                if found is not None and found.id == self.leader.id:
                    self._revision = revision  # it was written, and the answer was lost
                    with suppress(_Deposed):
                        if await self._renew():
                            break
                elif vigil.may_take(steady(), revision, found):
                    if await self._take(revision, found):
                        break
                elif found is not None and found.id == self._told and found.id != waited_for:
                    waited_for = found.id
                    waiting(found)  # not before the leader knows, which somebody may stop then
            if found is not None:
                self._told = found.id
                await self._say(client(), self._waits_at, _WAITS, found.id)
                if self._others.takes_over:
                    await self._say(client(), self._takes_at, TAKES_OVER, found.id)
            await asyncio.sleep(self._terms.look)

    async def _say(self, client: Client | None, subject: str, what: str, leader: str) -> None:
        if client is not None and leader:
            with suppress(Exception):  # it says so again soon
                await client.publish(subject, self._others.says(what, leader))
                await client.flush(1)

    async def _take(self, revision: int, last: Leader | None) -> bool:
        self.last = last
        self.leader = self.leader.after(last)
        began = steady()
        try:
            self._revision = await self._record.write(self.leader.raw(), revision)
        except Stale:
            return False  # another one was quicker
        # Whoever waits with this one waits as for a leader that does not know of it.
        self.until = began + self._terms.lasts(watched=False)
        return True

    async def _read_note(self) -> None:
        while True:
            with suppress(Away):
                self._noted_at, self.left = await self._notes.read()
                return
            await asyncio.sleep(self._terms.look)

    async def keep(self, lost: Callable[[str], None]) -> None:
        """Renew it until it is lost.

        Args:
            lost: Called once, with the reason.
        """
        loop, hurry = asyncio.get_running_loop(), asyncio.Event()

        def write_now() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(hurry.set)

        self._hurry = write_now
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._terms.renew):
                    await hurry.wait()
            hurry.clear()
            try:
                await self._renew()
                await self._write_note()
            except Away as error:
                log.debug("the lead could not be renewed: %s", error)
            except _Deposed as why:
                self.until = 0.0
                lost(str(why))
                return

    async def _renew(self) -> bool:
        self._unwatched += 1
        leader = replace(self.leader, watched=self.watched, renewed=time.time())
        began = steady()
        lasts = self._terms.lasts(watched=leader.watched)
        # Whoever waits may read this although its answer is lost, and takes over sooner then.
        self.until = min(self.until, began + lasts)
        try:
            self._revision = await self._record.write(leader.raw(), self._revision)
        except Stale:
            await self._look_who_leads()
            return False
        self.until = began + lasts
        return True

    async def _look_who_leads(self) -> None:
        revision, raw = await self._record.read()
        found = Leader.of(raw)
        if found is None or found.id == self.leader.id:
            self._revision = revision  # an answer was lost, or the record with the server's store
        else:
            raise _Deposed(f"{found} leads now")

    async def _write_note(self) -> None:
        while (note := self._to_note) != self._noted:
            try:
                self._noted_at = await self._notes.write(note, self._noted_at)
            except Stale:  # the answer to a write was lost, or the record with the server's store
                self._noted_at, _ = await self._notes.read()
            else:
                self._noted = note

    async def somebody_waits(self, message: Msg) -> None:
        """Another root says that it waits, or does not any more; if there are others they say so in a moment."""
        if self._others.is_said(message.data, _WAITS, self.leader.id):
            self._unwatched = 0
        elif self._others.is_said(message.data, _STOPPED_WAITING, self.leader.id):
            self._unwatched = _WATCHED

    async def release(self) -> None:
        """Stop leading, so that another root may at once."""
        self.until = 0.0
        with suppress(Away, Stale):
            await self._write_note()
        with suppress(Away, Stale):
            await self._record.write(
                replace(self.leader, released=True, renewed=time.time()).raw(), self._revision
            )


class _Deposed(Exception):
    """Another root leads."""


def _nothing() -> None: ...
