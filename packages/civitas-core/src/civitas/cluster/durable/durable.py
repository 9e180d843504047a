"""`Durable`: the mailboxes that the broker keeps, as one node uses them, put together of their parts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.durable.burying import Burying
from civitas.cluster.durable.entries import Before, KeptEntry
from civitas.cluster.durable.finishing import Finishing
from civitas.cluster.durable.lanes import Lanes, Settled
from civitas.cluster.durable.order import LaneId
from civitas.cluster.durable.reader import MailboxReader
from civitas.cluster.durable.unread_at_end import UnreadAtEnd
from civitas.cluster.facts import Facts
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.incoming import Receivers
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.peers import Peer, Peers, one_that_is_gone
from civitas.errors import NodeDown
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer, loads
from civitas.node import Recipient, Registry
from civitas.process import Entry, Mailbox
from civitas.transport.mailboxes import Mailboxes

__all__ = ["Durable", "Renewal"]

logger = logging.getLogger("civitas")

_PAUSE = 0.5
"""Seconds before the root is asked again that did not answer."""
_LAST_WORDS = 2.0
"""Seconds for the answers to what was handled to arrive when the node ends."""


class Renewal(Protocol):
    """Asks the root whether this node still has a mailbox."""

    async def __call__(self, name: str) -> Mapping[str, int]:
        """Wait until everything unfinished is back in the mailbox.

        Returns:
            To how many incarnations messages were given, by id.

        Raises:
            NodeDown: The root is gone.
            ConfigurationError: The broker cannot be reached.
        """


class Durable:
    """What one node does with mailboxes of the broker: it puts into all, and reads those of the agents that it hosts.

    Args:
        node: The node.
        registry: Its agents, and those that it knows.
        make: Makes the mailboxes, not open.
        boot: The run of the node.
        serializer: The format of messages.
        peers: The other nodes.
        calls: To them.
        back: The way back to them.
        cycles: Finds asks that would wait for themselves.
        asker_of: The agent of this node that waits for the answer to a message; None for nobody.
        hand_on: Sends on what is for an agent of another node, and was given to so many incarnations before.
        renewal: Asks the root.
        introduce: Asks the root to show this node and another each other, by the run of that.
        moves: Whether what waits here for an agent is put into its mailbox once there is one: at the root, where all
            that comes first is held.
    """

    def __init__(
        self,
        node: Receivers,
        registry: Registry,
        make: Callable[[], Mailboxes],
        boot: Callable[[], str],
        serializer: Serializer,
        *,
        peers: Peers,
        calls: Calls,
        back: Back,
        cycles: Cycles,
        asker_of: Callable[[Message], str | None],
        hand_on: Callable[[FromPeer, Elsewhere, int], None],
        renewal: Renewal,
        introduce: Callable[[str], Awaitable[object]],
        moves: bool = False,
    ) -> None:
        self.receivers = node
        self.peers = peers
        self.back = back
        self.cycles = cycles
        self.gone = one_that_is_gone()
        self._make = make
        self._boot = boot
        self._serializer = serializer
        self._calls = calls
        self._asker_of = asker_of
        self.hand_on = hand_on
        self._renewal = renewal
        self._introduce = introduce
        self._moves = moves
        self._moving: set[asyncio.Task[None]] = set()
        self._mailboxes: Mailboxes | None = None
        self._lines: Lanes | None = None
        self._finishing: Finishing | None = None
        self.burying = Burying(serializer, registry, node.foreign)
        self.unread_at_end = UnreadAtEnd(node, back, self.burying)
        self._opening: asyncio.Task[None] | None = None
        self._readers: dict[str, MailboxReader] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._lost_again: set[str] = set()
        """Whose mailbox was lost once more while it was renewed."""

    async def open(self, patience: float | None = None) -> None:
        """Reach the broker, if that was not done yet.

        Args:
            patience: Seconds to wait for it; None waits for ever.

        Raises:
            ConfigurationError: It cannot be used.
        """
        if self._lines is not None:
            return
        if self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._open(patience))
        await asyncio.shield(self._opening)

    async def _open(self, patience: float | None) -> None:
        mailboxes = self._make()
        await mailboxes.open(patience)
        self._mailboxes = mailboxes
        self.burying.open(mailboxes.dead_letters)
        self._finishing = Finishing(self._taken, self.burying.keep)
        self._lines = Lanes(mailboxes, self._boot, self._serializer)

    # Putting.

    def put(
        self, address: str, key: str, message: Message, timeout: float | None, size: int
    ) -> Awaitable[None]:
        """Put a message into a mailbox; what to wait for until the broker has it, see `Lanes.put`."""
        if self._lines is None:
            return self._open_and_put(address, key, message, timeout, size)
        asker = None if message.reply_to is None else self._asker_of(message)
        return self._lines.put(address, key, message, timeout, size, asker)

    async def _open_and_put(
        self, address: str, key: str, message: Message, timeout: float | None, size: int
    ) -> None:
        await self.open()
        await self.put(address, key, message, timeout, size)

    def entry_for(self, each: Elsewhere) -> Entry | None:
        """Where messages for an agent of another node, or for a conversation, are put; None if they are not kept."""
        facts = each.facts
        if not facts.mailbox:
            return None
        if isinstance(each.entry, KeptEntry) and each.entry.address == facts.mailbox:
            return each.entry
        waiting = each.outbox
        first: Before | None = None
        if not waiting.idle:
            first = self._move(each.name, waiting.emptied(), facts) if self._moves else waiting
        return KeptEntry(waiting, self, facts.mailbox, each.key, facts.size, first=first)

    def entry_beside(self, mailbox: Mailbox, address: str, key: str) -> KeptEntry:
        """Where agents of this node put messages for another of it."""
        return KeptEntry(mailbox, self, address, key, mailbox.size)

    def _move(self, name: str, messages: Sequence[Message], facts: Facts) -> _Moved:
        """Put into its mailbox what waits here for an agent that has started for the first time."""
        loop = asyncio.get_running_loop()
        moving = [loop.create_task(self._move_one(each, name, facts)) for each in messages]
        self._moving.update(moving)
        for task in moving:
            task.add_done_callback(self._moving.discard)
        return _Moved(moving)

    async def _move_one(self, message: Message, name: str, facts: Facts) -> None:
        key = message.conversation or "" if facts.mailbox.endswith(".") else ""
        try:
            await self.put(facts.mailbox, key, message, None, facts.size)
        except Exception:
            logger.exception("a message for %r could not be moved into its mailbox", name)
            self.receivers.dead_letter(message, DeadLetterReason.CRASHED)
        else:
            if message.reply_to is None:
                self.receivers.settle(message)

    async def settled_here(self, address: str, key: str, number: int) -> Settled:
        """Another node asks about a line of this one; see `Lanes.settled`."""
        return Settled() if self._lines is None else await self._lines.settled(address, key, number)

    # Reading.

    async def read(
        self,
        name: str,
        address: str,
        route: Callable[[Message], Recipient],
        *,
        size: int,
        max_deliveries: int,
        given: Mapping[str, int],
        finished: Mapping[str, int],
    ) -> None:
        """The root has handed a mailbox to this node: read it.

        Args:
            name: Of the agent or pool.
            address: Of its mailbox.
            route: Finds the agent for a message.
            size: Of the mailbox.
            max_deliveries: To how many incarnations a message is given at most.
            given: To how many they were given, by id.
            finished: The same of those that a killed process had finished.
        """
        await self.open()
        assert self._mailboxes is not None
        assert self._finishing is not None  # it is open
        reader = self._readers.get(name)
        if reader is None or reader.address != address:
            await self.leave(name)
            reader = self._readers[name] = MailboxReader(
                name, address, route, max_deliveries, size, self, self._finishing
            )
            await reader.open(self._mailboxes)
        reader.begin(given, finished)

    async def leave(self, name: str) -> None:
        """Read a mailbox no more: its agent is gone from here."""
        reader = self._readers.pop(name, None)
        if reader is not None:
            await reader.close()

    def withdrawn(self, name: str, message_id: str, reader_left: bool) -> None:
        """Whoever asked `name` is gone, and the message is not here yet."""
        reader = self._readers.get(name)
        if reader is not None:
            reader.withdraw(message_id, reader_left)

    def withdraw_unread(self, address: str, message: Message, reader_left: bool | None) -> None:
        """Whoever asked an agent of this node does not wait any more; see `Putting.withdraw_unread`."""
        if message.id not in self.receivers.foreign:
            for reader in self._readers.values():
                if reader.address == address:
                    reader.withdraw(message.id, reader_left)

    @property
    def idle(self) -> bool:
        """Whether nothing that was read here is unfinished, and nothing stands behind it."""
        return all(each.idle for each in self._readers.values())

    # For the readers.

    async def settled(self, line: LaneId, address: str, number: int) -> Settled | None:
        """Ask the node of a line about everything before a number; None if that is gone.

        Raises:
            NodeDown: It is this node that ends, or has lost the root.
        """
        boot, key = line
        if boot == self._boot():
            return await self.settled_here(address, key, number)
        if self.peers.has_passed_on(boot):
            return Settled(is_all=True)
        if not self.knows(boot):
            await self.meet(boot)
        peer = self.peers.get(boot)
        if peer is None:
            return None
        try:
            until, *void = await self._calls.call(peer, "line", address, key, number)
        except NodeDown:
            return None
        return Settled(until, void)

    async def fetch(self, apart: str) -> Message | None:
        """A message that was too large to stand in its mailbox; None if it is not whole."""
        assert self._mailboxes is not None  # something was read from it
        raw = await self._mailboxes.fetch(apart)
        return None if raw is None else loads(raw)

    def drop(self, apart: str) -> None:
        """Such a message is finished."""
        if self._mailboxes is not None:
            self._mailboxes.drop(apart)

    async def awaits_here(self, message_id: str) -> bool:
        """Whether somebody of this node waits for the answer to a message."""
        return self.receivers.awaits(message_id)

    async def is_awaited(self, boot: str, message_id: str) -> bool:
        """Whether somebody of a node waits for the answer to a message."""
        if boot == self._boot() or self.peers.is_inherited(boot):
            return self.receivers.awaits(message_id)
        peer = self.peers.back_to(boot)
        if peer is None:
            return False
        with suppress(NodeDown):
            awaited: bool = await self._calls.call(peer, "awaits", message_id)
            return awaited
        return False

    async def _taken(self, peer: Peer, message_id: str) -> None:
        with suppress(NodeDown):  # nobody waits there any more
            await self._calls.call(peer, "awaits", message_id, behind=True)

    def knows(self, boot: str) -> bool:
        """Whether there is a way to a node, or it is this one or known to be gone."""
        peers = self.peers
        return bool(peers.back_to(boot)) or boot == self._boot() or peers.has_left(boot)

    async def meet(self, boot: str) -> None:
        """Let the root show a way to a node that put something into a mailbox and is not known here.

        Raises:
            NodeDown: This node ends, or has lost the root: what it does not know may well be there.
        """
        await self._introduce(boot)
        if not self.knows(boot):
            self.peers.gone(boot, "it is gone")

    def renew(self, name: str) -> None:
        """Ask the root whether this node still has the mailbox of `name`, and go on reading if so."""
        if name in self._renewing:
            self._lost_again.add(name)
            return
        self._renewing[name] = asyncio.get_running_loop().create_task(self._renew(name))

    async def _renew(self, name: str) -> None:
        try:
            while (reader := self._readers.get(name)) is not None:
                self._lost_again.discard(name)
                try:
                    given = await self._renewal(name)
                except NodeDown:
                    return  # this node ends, or was given up
                except Exception as error:
                    logger.warning(
                        "the mailbox of %r cannot be read at the moment: %s", name, error
                    )
                    await asyncio.sleep(_PAUSE)
                    continue
                if self._readers.get(name) is reader:
                    reader.begin(given, {})  # which may find at once that it has to be asked again
                if name not in self._lost_again:
                    return
                await asyncio.sleep(_PAUSE)
        finally:
            self._lost_again.discard(name)
            del self._renewing[name]  # in this turn: what is lost in the next is to be asked for

    async def close(self) -> None:
        """Put and read nothing any more, after what was handled is out of the mailboxes."""
        for task in (*self._renewing.values(), *self._moving):
            task.cancel()
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait({self._opening})
        finishing, self._finishing = self._finishing, None
        if finishing is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await finishing.done()
            await finishing.close()
        await self.burying.close()
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
        for name in list(self._readers):
            await self.leave(name)
        mailboxes, self._mailboxes = self._mailboxes, None
        if mailboxes is not None:
            await mailboxes.close()


class _Moved:
    """What was put into a mailbox before everything else."""

    def __init__(self, moving: Sequence[asyncio.Task[None]]) -> None:
        self._moving = moving

    async def drained(self) -> None:
        """Wait until all of it is there."""
        await asyncio.wait(self._moving)
