"""Takes what was handled out of the mailboxes, but not before whoever asked has the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from civitas.cluster.durable.origin import FromMailbox
from civitas.cluster.peers import Peer
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.transport.mailboxes import Letter

__all__ = ["Bury", "Finishing"]

Bury: TypeAlias = Callable[[Message, DeadLetterReason], Awaitable[None]]

_Finish: TypeAlias = Callable[[Letter], None]
_Finished: TypeAlias = Callable[[Letter], Awaitable[bool]]
_Item: TypeAlias = tuple[FromMailbox, _Finish, _Finished]


_SENT = 0.02
"""Seconds after which what was told the broker has left this process."""


class Finishing:
    """What is finished on one node and is to leave the mailboxes.

    A process that is killed after the broker has forgotten a message, and before its answer has left, would leave
    somebody waiting in vain. So an answer goes first; and as many may go in one turn of the loop, they are waited for
    together. A dead letter is kept first, too.

    Args:
        taken: Waits until another node has taken all answers so far, of which the last is that to a message with this
            id, or is gone. That they have arrived is not enough: a node that has heard that this one was given up drops
            them, and the broker would still take the word of this one that they were given.
        bury: Keeps a dead letter, however long that takes; None if nobody does.
    """

    def __init__(
        self, taken: Callable[[Peer, str], Awaitable[None]], bury: Bury | None = None
    ) -> None:
        self._taken = taken
        self._bury = bury
        self._loop = asyncio.get_running_loop()
        self._now: list[_Item] = []
        self._behind: dict[Peer, list[_Item]] = {}
        """What waits for a node to take an answer."""
        self._out: list[FromMailbox] = []
        """What was taken out a moment ago: that may not have left this process yet."""
        self._leaving: asyncio.TimerHandle | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, held: FromMailbox, finish: _Finish, finished: _Finished) -> None:
        """A message is finished."""
        if self._closed:
            return  # it stays in its mailbox
        if not self._now:
            self._loop.call_soon(self._turn)
        self._now.append((held, finish, finished))

    async def done(self) -> None:
        """Wait until everything so far has been taken out."""
        self._turn()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Take nothing out any more."""
        self._closed = True
        if self._leaving is not None:
            self._leaving.cancel()  # where it was noted what is in hand may be gone by then
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _turn(self) -> None:
        now, self._now = self._now, []
        for item in now:
            if item[0].dead is not None and self._bury is not None:
                self._begin(self._bury_first(item, *item[0].dead, self._bury))
            else:
                self._take_out(item)

    async def _bury_first(
        self, item: _Item, message: Message, reason: DeadLetterReason, bury: Bury
    ) -> None:
        await bury(message, reason)
        self._take_out(item)

    def _take_out(self, item: _Item) -> None:
        held, finish, _ = item
        if held.origin.was_told:
            peer = held.origin.peer
            behind = self._behind.get(peer)
            if behind is None:
                self._behind[peer] = [item]
                self._begin(self._when_taken(peer))
            else:
                behind.append(item)
        elif held.confirmed is not None:
            self._begin(_confirm(item))
        else:
            self._finish(held, finish)

    def _finish(self, held: FromMailbox, finish: _Finish) -> None:
        finish(held.letter)
        if not self._out:
            self._leaving = self._loop.call_later(_SENT, self._are_sent)
        self._out.append(held)

    def _are_sent(self) -> None:
        out, self._out = self._out, []
        for held in out:
            held.forgotten()

    async def _when_taken(self, peer: Peer) -> None:
        while items := self._behind.get(peer):
            self._behind[peer] = []
            await self._taken(peer, items[-1][0].origin.message.id)
            for item in items:
                held, finish, _ = item
                if held.confirmed is not None:
                    self._begin(_confirm(item))
                else:
                    self._finish(held, finish)
        del self._behind[peer]

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _confirm(item: _Item) -> None:
    held, _, finished = item
    try:
        is_out = await finished(held.letter)
        if held.confirmed is not None and not held.confirmed.done():
            held.confirmed.set_result(is_out)
    finally:
        held.forgotten()
        held.let_go()
