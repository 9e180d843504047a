"""The root's side of mailboxes that the broker keeps: who reads which, and what had been given to whoever is gone."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from civitas.cluster.durable.broker import Wanted
from civitas.cluster.durable.parcels import unpack
from civitas.errors import ConfigurationError
from civitas.transport.mailboxes import MailboxKeeper

__all__ = ["Granting", "Handed", "Left"]

logger = logging.getLogger("civitas")

_NOTED = 1000
"""Of so many messages of a mailbox it is noted to how many incarnations they were given."""
_DEPARTED = 100
"""So many processes that are gone are remembered, until somebody else has their mailboxes."""
_AT_ONCE = 16
"""Mailboxes that are asked about at a time."""
_LAST_WORDS = 5.0
"""Seconds for the broker to take back what was given to this system, when it stops."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a process left behind.

    Attributes:
        in_hand: To how many of its incarnations the messages in hand were given, by id.
        finished: The same of those that were finished, where the broker does not know it yet.
        is_known: Whether that is all. Otherwise the first unfinished message that it had got was in hand, too.
    """

    in_hand: Mapping[str, int] = field(default_factory=dict)
    finished: Mapping[str, int] = field(default_factory=dict)
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Handed:
    """What a node must know of the messages in a mailbox that it is handed.

    Attributes:
        given: To how many incarnations messages were given, by id.
        finished: Those of them that the last process had finished before it was killed.
    """

    given: Mapping[str, int]
    finished: Mapping[str, int]


class Granting:
    """Makes the mailboxes of a system, and hands each to the one node that reads it.

    A node that was given up may come back and not know that. It gets nothing more, as its request at the broker has
    ended by then; it finishes nothing more, as it looks at its own clock; and what it had is given to the next one, in
    order.

    Args:
        keeper: Of the broker.
        wanted: The mailboxes that the topology asks for, by agent.
        boot: The run of the root.
    """

    def __init__(self, keeper: MailboxKeeper, wanted: Mapping[str, Wanted], boot: str) -> None:
        self._keeper = keeper
        self._wanted = wanted
        self._boot = boot
        self._is_open = False
        self._changing = asyncio.Lock()
        self._addresses: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        """The run of the node that reads a mailbox, by agent."""
        self._handing: dict[str, tuple[str, asyncio.Future[None]]] = {}
        """The run of the node that a mailbox is being handed to, by agent, and what is done when it has it."""
        self._left: OrderedDict[str, Left] = OrderedDict()
        """What processes left behind, by their runs."""

    async def open(self) -> None:
        """Make what the topology asks for, before anybody sends to it or reads it.

        Raises:
            ConfigurationError: The broker cannot keep messages, or has a mailbox with other settings.
        """
        for name, wanted in self._wanted.items():
            await self.make(name, wanted)

    async def make(self, name: str, wanted: Wanted) -> str:
        """Make the mailbox of an agent, or find it there; returns its address.

        Raises:
            ConfigurationError: The broker refuses.
        """
        if name not in self._addresses:
            async with self._changing:
                if not self._is_open:
                    await self._keeper.open()
                    self._is_open = True
                self._addresses[name] = await self._keeper.make(
                    name, wanted.size, several=wanted.several
                )
        return self._addresses[name]

    def size(self, name: str) -> int:
        """How many messages may be unfinished in the mailbox of an agent, as far as that is known before it starts."""
        wanted = self._wanted.get(name)
        return wanted.size if wanted is not None else 1000

    def wanted(self, name: str) -> Wanted | None:
        """The mailbox that the topology asks for, for an agent; None for none."""
        return self._wanted.get(name)

    def address(self, name: str) -> str:
        """Of the mailbox of an agent; empty if it has none, or none yet."""
        return self._addresses.get(name, "")

    def has_left(self, boot: str, left: Left) -> None:
        """A process is gone."""
        self._left[boot] = left
        if len(self._left) > _DEPARTED:
            self._left.popitem(last=False)

    async def hand_over(self, name: str, boot: str, *, had_it: bool = False) -> Handed | None:
        """Hand a mailbox to a node, and let whoever had it finish nothing more.

        Args:
            name: Of the agent.
            boot: The run of the node.
            had_it: Whether whoever had it before goes on: another root had handed it to the same node, or had itself
                handed on what is in it.

        Returns:
            What the node must know of its messages; None if it has the mailbox already.

        Raises:
            ConfigurationError: The broker cannot be reached.
        """
        while (handing := self._handing.get(name)) is not None:
            # Whoever is fenced last has it, and is to be its holder here, too.
            await asyncio.wait([handing[1]])
        before = self._holders.get(name)
        if before == boot:
            return None
        address = self._addresses[name]
        # Whoever had it before the root was there has not said what was in hand.
        is_known = before is not None or had_it
        left = self._left.get(before or "", Left(is_known=is_known))
        over = asyncio.get_running_loop().create_future()
        self._handing[name] = boot, over
        try:
            first = await self._keeper.fence(address, look=not left.is_known)
            given = await self._count(address, left, first)
            self._holders[name] = boot
        finally:
            del self._handing[name]
            over.set_result(None)
        return Handed(given, left.finished)

    async def renew(self, name: str, boot: str) -> Mapping[str, int]:
        """A node that reads a mailbox may have lost something: let everything unfinished come again.

        Raises:
            ConfigurationError: It does not have the mailbox any more, or the broker cannot be reached.
        """
        to, over = self._handing.get(name, ("", None))
        if (
            over is not None and to == boot
        ):  # it went on under another root, and has lost what it asked for
            await asyncio.wait([over])
            return {}
        if self._holders.get(name) != boot:
            raise ConfigurationError(f"the mailbox of {name!r} is not that of this process")
        await self._keeper.fence(self._addresses[name], look=False)
        return {}

    async def _count(self, address: str, left: Left, first: Any) -> Mapping[str, int]:
        given = dict(await self._keeper.noted(address))
        # What was finished may come again, as its answer was lost; what was in hand comes last, and is noted longest.
        counts = {**left.finished, **left.in_hand}
        for body in first:  # nothing where all is known
            with suppress(ValueError):
                counts.setdefault(unpack(body).message.id, 1)
        if counts:
            for id, times in counts.items():
                given[id] = given.pop(id, 0) + times
            given = dict(list(given.items())[-_NOTED:])
            await self._keeper.note(address, given)
        return given

    async def is_empty(self) -> bool:
        """Whether nothing is in the mailboxes."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def unfinished(address: str) -> int:
            async with places:
                return await self._keeper.unfinished(address)

        return not any(await asyncio.gather(*map(unfinished, self._addresses.values())))

    async def forget(self, name: str) -> None:
        """An agent is gone for good."""
        self._holders.pop(name, None)
        address = self._addresses.pop(name, None)
        if address is not None and name not in self._wanted:
            async with self._changing:
                if name not in self._addresses:
                    await self._keeper.remove(address)

    async def close(self, *, well: bool, run_on: Collection[str] = ()) -> None:
        """The system stops.

        Args:
            well: Whether whoever had a mailbox has put back what was not finished: then the next start counts nothing.
            run_on: The runs of the processes that go on with theirs.
        """
        if self._is_open and well:
            try:
                async with asyncio.timeout(_LAST_WORDS):
                    fences = (
                        self._keeper.fence(self._addresses[name], look=False)
                        for name, holder in self._holders.items()
                        if holder not in run_on
                    )
                    await asyncio.gather(*fences)
            except Exception as error:
                logger.warning("the messages in hand count as given once more: %s", error)
        await self._keeper.close()
        self._is_open = False
        self._holders.clear()
        self._left.clear()
