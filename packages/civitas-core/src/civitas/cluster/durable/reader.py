"""`MailboxReader`: reads the mailbox of one agent, or of a pool, for the node that hosts it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

from civitas.cluster.durable.finishing import Finishing
from civitas.cluster.durable.lanes import Settled
from civitas.cluster.durable.order import InOrder, LaneId
from civitas.cluster.durable.origin import FromMailbox
from civitas.cluster.durable.parcels import KeptMessage, unpack
from civitas.cluster.durable.unread_at_end import UnreadAtEnd
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.incoming import Receivers
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.peers import Peer, Peers
from civitas.errors import AskCycle, DeliveryError, HandlerFailed, NodeDown, UnknownAgent
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node import Recipient
from civitas.process import Cell
from civitas.transport.mailboxes import Letter, Mailboxes, Reading

__all__ = ["Holdings", "MailboxReader"]

logger = logging.getLogger("civitas")

_ROOM = 256
"""How many messages are read ahead of the one in hand."""
_EACH = 16
"""How many of one conversation count for that: one that hangs must not keep the others from being read."""
_LARGE = 32 * 1024
"""Bytes that count as one message more."""
_TURNS = 3
"""Of the event loop, until what is to be sent has left the process."""
_REMEMBERED = 10_000
"""How many withdrawn messages are remembered that have not been read yet."""


class Holdings(Protocol):
    """What a reader needs of the node it is part of, beside what is its own."""

    peers: Peers
    back: Back
    cycles: Cycles
    gone: Peer
    """Stands for a node that is not there any more."""
    unread_at_end: UnreadAtEnd
    """What stays in the mailboxes."""

    @property
    def receivers(self) -> Receivers:
        """Those of the node who receive."""

    def settled(self, line: LaneId, address: str, number: int) -> Awaitable[Settled | None]:
        """Ask the node of a line about everything before a number; None if that is gone.

        Raises:
            NodeDown: It is this node that ends.
        """

    def renew(self, name: str) -> None:
        """Ask the root whether this node still has the mailbox of `name`."""

    @property
    def hand_on(self) -> Callable[[FromPeer, Elsewhere, int], None]:
        """Sends on what is for an agent of another node, and was given to so many incarnations before."""

    def knows(self, boot: str) -> bool:
        """Whether there is a way to a node, or there will never be one."""

    async def meet(self, boot: str) -> None:
        """Find a way to a node; afterwards it is known whether there is one. Raises `NodeDown` if this node ends."""

    async def fetch(self, apart: str) -> Message | None:
        """A message that was too large to stand in its mailbox; None if it is not whole."""

    def drop(self, apart: str) -> None:
        """Such a message is finished."""

    async def is_awaited(self, boot: str, message_id: str) -> bool:
        """Whether somebody of a node waits for the answer to a message."""


class MailboxReader:
    """Reads one mailbox.

    Args:
        name: Of the agent or pool.
        address: Of its mailbox.
        route: Finds the agent for a message.
        max_deliveries: To how many incarnations a message is given at most.
        holdings: What it needs of its node.
        finishing: Finishes what was handled.
    """

    def __init__(
        self,
        name: str,
        address: str,
        route: Callable[[Message], Recipient],
        max_deliveries: int,
        size: int,
        holdings: Holdings,
        finishing: Finishing,
    ) -> None:
        self.name = name
        self.address = address
        self._route = route
        self._max_deliveries = max_deliveries
        self._room = min(size, _ROOM)
        self._holdings = holdings
        self._finishing = finishing
        self._order = InOrder(self._deliver, self._ask, self._finish)
        self._behind_strangers: deque[tuple[Letter, KeptMessage]] = deque()
        """What was read from a node that is not known here, and all behind it."""
        self._meeting: asyncio.Task[None] | None = None
        self._given: dict[str, int] = {}
        self._done_before: dict[str, int] = {}
        """What a killed process had finished, and the broker did not know."""
        self._apart: dict[int, str] = {}
        """Where large messages are kept as a whole, by place."""
        self._answered: set[str] = set()
        """Those of it whose answers have arrived."""
        self._leaving: Counter[str] = Counter()
        """How many of each conversation are finished and not out of the mailbox yet."""
        self._left: dict[str, asyncio.Future[None]] = {}
        """Made where somebody waits for that."""
        self._withdrawn: OrderedDict[str, bool | None] = OrderedDict()
        """What nobody waits for when it is read, by id; see `withdraw`."""
        self._held: dict[int, FromMailbox | None] = {}
        """What was read and is not finished, by place; None while it is held back."""
        self._in_conversation: Counter[str] = Counter()
        self._spare = 0
        """The room that nothing was asked for yet; below 0 where more was read than there was room for."""
        self.reading: Reading | None = None
        self.behind = 0
        """How many stood in the mailbox behind the one that was read last."""

    async def open(self, mailboxes: Mailboxes) -> None:
        """Begin to read what `begin` is called for."""
        self.reading = await mailboxes.read(self.address, self._take, self._lost)
        self.reading.want(self._room)

    def begin(self, given: Mapping[str, int], finished: Mapping[str, int]) -> None:
        """The root has handed the mailbox to this node, or says that it still has it.

        Args:
            given: To how many incarnations messages were given, by id.
            finished: The same of those that a killed process had finished.
        """
        assert self.reading is not None  # it is open
        self._given |= given
        self._done_before |= finished
        self.reading.renew()

    def withdraw(self, message_id: str, reader_left: bool | None) -> None:
        """Whoever asked does not wait any more, and the message has not been read yet.

        Args:
            message_id: Of the message.
            reader_left: Whether it is a dead letter; otherwise its agent decides. None: whoever asked knows why.
        """
        self._withdrawn[message_id] = reader_left
        if len(self._withdrawn) > _REMEMBERED:
            self._withdrawn.popitem(last=False)

    @property
    def idle(self) -> bool:
        """Whether everything that was read is finished, and nothing stood behind it."""
        return not self._held and not self.behind

    async def close(self) -> None:
        """Read nothing more; what is not finished stays where it is."""
        self._order.close()
        if self._meeting is not None:
            self._meeting.cancel()
        reading, self.reading = self.reading, None
        if reading is not None:
            await reading.close()

    # What comes.

    def _take(self, letter: Letter) -> None:
        self.behind = letter.behind
        self._spare -= _weight(letter) - 1
        try:
            kept = unpack(letter.body)
        except ValueError:
            logger.exception("something in the mailbox of %r was dropped", self.name)
            self._finish(letter)
            return
        self._held[letter.place] = None
        is_open = kept.message.id in self._done_before and kept.message.reply_to is not None
        if (
            kept.apart
            or is_open
            or self._meeting is not None
            or not self._holdings.knows(kept.boot)
        ):
            self._behind_strangers.append((letter, kept))
            if self._meeting is None:
                self._meeting = asyncio.get_running_loop().create_task(self._meet())
            return
        self._sort(letter, kept)

    async def _meet(self) -> None:
        """Find ways to those who sent, so that they get their answers."""
        with suppress(
            NodeDown
        ):  # this node ends: all of it stays in the mailbox, and what comes behind it
            await self._meet_all()
            self._meeting = None

    async def _meet_all(self) -> None:
        while self._behind_strangers:
            letter, kept = self._behind_strangers[0]
            if not self._holdings.knows(kept.boot):
                await self._holdings.meet(kept.boot)
            if kept.apart:
                self._apart[letter.place] = kept.apart
                whole = await self._holdings.fetch(kept.apart)
                if whole is None:
                    logger.error(
                        "a message in the mailbox of %r was dropped: it is not whole", self.name
                    )
                    self._behind_strangers.popleft()
                    self._finish(letter)
                    continue
                kept.message = whole
            id = kept.message.id
            if id in self._done_before and not await self._holdings.is_awaited(kept.boot, id):
                self._answered.add(id)
            self._behind_strangers.popleft()
            self._sort(letter, kept)

    def _sort(self, letter: Letter, kept: KeptMessage) -> None:
        self._order.take((kept.boot, self._key(kept.message)), letter, kept)
        if self._held.get(letter.place, letter) is None:
            self._read_on()  # it waits for others, which must be read meanwhile

    def _key(self, message: Message) -> str:
        """The conversation of a message, where each has a line of its own: in a pool. An agent has one line for all."""
        return message.conversation or "" if self.address.endswith(".") else ""

    def _read_on(self) -> None:
        self._spare -= 1
        if self.reading is not None:
            self.reading.want(1)

    def _ask(self, line: LaneId, number: int) -> Awaitable[Settled | None]:
        return self._holdings.settled(line, self.address, number)

    def _lost(self) -> None:
        self._holdings.renew(self.name)

    def _deliver(self, letter: Letter, kept: KeptMessage) -> None:
        holdings = self._holdings
        if holdings.unread_at_end.passes_on:
            return  # whoever goes on reads it again
        message, receivers = kept.message, holdings.receivers
        times = self._given.pop(message.id, 0) if self._given else 0
        done = self._done_before.pop(message.id, 0) if self._done_before else 0
        if times:
            message = message._again(max(times, message.attempt))
        key = self._key(message)
        held = FromMailbox(
            holdings.peers.back_to(kept.boot) or holdings.gone,
            message,
            holdings.back,
            letter,
            key,
            self._is_over,
            self._are_out,
        )
        held.origin.boot = kept.boot
        self._held[letter.place], receivers.foreign[message.id] = held, held.origin
        self._in_conversation[key] += 1
        if self._in_conversation[key] > _EACH and self.address.endswith("."):
            self._read_on()
        if done and (message.reply_to is None or message.id in self._answered):
            self._answered.discard(message.id)
            receivers.settle(message)
            receivers.forget_records(message)
            return
        is_awaited = message.id not in self._withdrawn
        if not is_awaited and (reader_left := self._withdrawn.pop(message.id)) is not False:
            if reader_left:
                receivers.dead_letter(message, DeadLetterReason.NO_READER)
            else:
                receivers.settle(message)
            return
        if times >= self._max_deliveries:
            why = f"its process was lost each of the {times} times that it was given the message"
            receivers.refuse(message, HandlerFailed(self.name, "NodeDown", why))
            receivers.dead_letter(message, DeadLetterReason.MAX_DELIVERIES)
            return
        try:
            self._hand_over(held.origin, times, kept)
            if not is_awaited:
                held.origin.withdraw(reader_left=False)
        except AskCycle as error:
            receivers.refuse(message, error)
            receivers.settle(message)
        except DeliveryError as error:
            receivers.refuse(message, error)
            unknown = isinstance(error, UnknownAgent)
            receivers.dead_letter(
                message, DeadLetterReason.UNKNOWN if unknown else DeadLetterReason.TERMINATED
            )

    def _hand_over(self, origin: FromPeer, times: int, kept: KeptMessage) -> None:
        message = origin.message
        cell = origin.cell = self._route(message)
        if kept.asker is not None and not origin.peer.gone:
            origin.asker = kept.asker
        if isinstance(cell, Elsewhere):
            self._holdings.hand_on(origin, cell, times)
            return
        assert isinstance(cell, Cell)  # what is hosted here
        if origin.asker is not None:
            circle = self._holdings.cycles.follow(
                message.id, origin.peer.name, [origin.asker, cell.name]
            )
            if circle is not None:
                raise AskCycle(circle[0])
        if times:
            cell.was_given(message.id, times)
        if not cell.mailbox.offer(message):
            cell.mailbox.push(message)

    # What is finished.

    def _are_out(self, key: str) -> Awaitable[None] | None:
        """Wait until what was finished of a conversation is out of the mailbox.

        Otherwise the root would take it for what was in hand, should this process die of the next one.
        """
        return self._wait_until_out(key) if self._leaving[key] else None

    async def _wait_until_out(self, key: str) -> None:
        while self._leaving[key]:
            out = self._left.get(key)
            if out is None:
                out = self._left[key] = asyncio.get_running_loop().create_future()
            await asyncio.shield(out)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _is_over(self, held: FromMailbox) -> None:
        self._leaving[held.key] += 1
        self._finishing.add(held, self._finish, self._finished)

    def _forget(self, letter: Letter) -> None:
        held = self._held.pop(letter.place, None)
        if self._apart and (apart := self._apart.pop(letter.place, "")):
            self._holdings.drop(apart)
        if held is not None:
            self._leaves(held)
            left = self._in_conversation[held.key] - 1
            if left:
                self._in_conversation[held.key] = left
            else:
                del self._in_conversation[held.key]
        weight = _weight(letter)
        self._spare += weight
        if self._spare > 0 and self.reading is not None:
            more = max(self._spare // weight, 1)  # the next ones are likely to be as large
            self._spare -= more
            self.reading.want(more)

    def _leaves(self, held: FromMailbox) -> None:
        if self._leaving[held.key] > 1:
            self._leaving[held.key] -= 1
            return
        del self._leaving[held.key]
        out = self._left.pop(held.key, None)
        if out is not None and not out.done():
            out.set_result(None)

    def _finish(self, letter: Letter) -> None:
        if self.reading is not None:
            self.reading.finish(letter)
        self._forget(letter)

    async def _finished(self, letter: Letter) -> bool:
        self._forget(letter)
        return self.reading is not None and await self.reading.finished(letter)


def _weight(letter: Letter) -> int:
    """For how many messages one counts."""
    return 1 + len(letter.body) // _LARGE
