"""Messages that the root holds for a member: what was accepted must not end with the process of its sender.

To an agent with `at_least_once` a message that nobody waits for is accepted when the root has it. For an agent of
another process it goes there by way of the root anyway; for one of the same process the root gets a copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from civitas.cluster.facts import Facts
from civitas.message import Message
from civitas.process import Delivery, Entry, Wake, soon

__all__ = ["Held", "HeldBeside", "HeldByRoot", "HeldEntry", "Holder"]


class Holder(Protocol):
    """Another process that holds messages of this one until they are finished, should this one die before that."""

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Hand `message` over; what is returned is done when the other process has it."""

    def release(self, message: Message) -> None:
        """The message was not taken after all: it need not be held."""


class HeldEntry:
    """An entry that takes what nobody waits for only when another process has it as well.

    Args:
        entry: Where the messages go.
        holder: Who must have them.
    """

    __slots__ = ("_entry", "_holder")

    def __init__(self, entry: Entry, holder: Holder) -> None:
        self._entry = entry
        self._holder = holder

    def __len__(self) -> int:
        return len(self._entry)

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Put without waiting; see `Entry.offer`."""
        return message.reply_to is not None and self._entry.offer(message, wake)

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait until the holder has it; see `Entry.put`."""
        if message.reply_to is not None:
            await self._entry.put(message, timeout)
            return
        has_it = self._holder.hold(message)
        try:
            await self._entry.put(message, timeout)
        except BaseException:
            self._holder.release(message)
            raise
        await has_it

    def push(self, message: Message) -> None:
        """Put whatever the size; see `Entry.push`."""
        self._entry.push(message)

    async def drained(self) -> None:
        """Wait until nothing is in it; see `Entry.drained`."""
        await self._entry.drained()


class HeldByRoot:
    """The messages that are on their way to the root, which is to hold them."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._waiting

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Wait for the root to have `message`; see `Holder.hold`."""
        has_it = self._waiting[message.id] = asyncio.get_running_loop().create_future()
        return has_it

    def release(self, message: Message) -> None:
        """The message never left; see `Holder.release`."""
        self._waiting.pop(message.id, None)

    def told(self, message_ids: Iterable[str]) -> None:
        """The root has these, or they are finished already."""
        for id in message_ids:
            has_it = self._waiting.pop(id, None)
            if has_it is not None and not has_it.done():
                has_it.set_result(None)


class HeldBeside:
    """Hands the root a copy of what agents of this process send each other.

    Args:
        by_root: Waits for the root.
        copy: Sends the root a copy of a message.
        settle: Tells the root that a message is finished.
    """

    def __init__(
        self,
        by_root: HeldByRoot,
        copy: Callable[[Message], None],
        settle: Callable[[Message], object],
    ) -> None:
        self._by_root = by_root
        self._copy = copy
        self._settle = settle

    def hold(self, message: Message) -> asyncio.Future[None]:
        """Send the root a copy; see `Holder.hold`."""
        self._copy(message)
        return self._by_root.hold(message)

    def release(self, message: Message) -> None:
        """The root may forget it; see `Holder.release`."""
        self._by_root.release(message)
        self._settle(message)


class Held:
    """What the root holds for a member, and for whose messages.

    Args:
        node: The name of the member.
        copy: Sends the root a copy of a message.
        settle: Tells the root that a message is finished.
    """

    def __init__(
        self, node: str, copy: Callable[[Message], None], settle: Callable[[Message], object]
    ) -> None:
        self.by_way_of_root: Callable[[Entry], Entry] = lambda inner: inner
        """Makes the entry of a durable agent, of what takes its messages otherwise."""
        self.by_root = HeldByRoot()
        self._node = node
        self._beside = HeldBeside(self.by_root, copy, settle)

    def holder_for(self, facts: Facts) -> Holder | None:
        """The root, for an agent that nothing may be lost for; for one that will be hosted here it gets a copy."""
        if facts.delivery == Delivery.AT_MOST_ONCE:
            return None
        return self._beside if facts.node == self._node else self.by_root

    def before(self, settled: Callable[[Any, list[str]], None]) -> Callable[[Any, list[str]], None]:
        """What is finished need not be held any more: `settled`, after that."""

        def take(peer: Any, message_ids: list[str]) -> None:
            self.by_root.told(message_ids)
            settled(peer, message_ids)

        return take

    def entered(self, cell: Any) -> Any:
        """An agent that this member hosts from now on, with the entry that its delivery needs."""
        if cell.delivery == Delivery.DURABLE:
            cell.entry = self.by_way_of_root(cell.mailbox)
        elif cell.delivery != Delivery.AT_MOST_ONCE:
            cell.entry = HeldEntry(cell.mailbox, self._beside)
        return cell
