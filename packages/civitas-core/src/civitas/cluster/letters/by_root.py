"""Durable agents as a member sees them: their messages go by way of the root, which keeps them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.holding import Held
from civitas.cluster.letters.letters import Letters
from civitas.message import Message, dumps
from civitas.process import Delivery, Entry, Wake, soon

__all__ = ["ByRoot", "Detours"]


class ByRoot:
    """The entry of a durable agent at a member, wherever that runs: the root keeps its messages, and hands them on.

    Args:
        inner: What takes them otherwise; it still takes what the root hands on, and what the system itself says.
        asker_of: Finds the agent of this node that waits for the answer to a message.
        call_root: Lets the root do something, and waits for that.
        tell_root: Says something to the root.
    """

    __slots__ = ("_asker_of", "_call_root", "_inner", "_tell_root")

    def __init__(
        self,
        inner: Entry,
        asker_of: Callable[[Message], str | None],
        call_root: Callable[..., Awaitable[Any]],
        tell_root: Callable[..., None],
    ) -> None:
        self._inner = inner
        self._asker_of = asker_of
        self._call_root = call_root
        self._tell_root = tell_root

    keeps_runs = True
    """As `AcceptedEntry.keeps_runs`."""

    def __len__(self) -> int:
        return len(self._inner)

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Never takes it at once: the store must have it; see `Entry.offer`."""
        return False

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait until the root has it in the store; see `Entry.put`."""
        asker = None if message.reply_to is None else self._asker_of(message)
        await self._call_root("accept", bytes(dumps(message)), asker, timeout)

    def push(self, message: Message) -> None:
        """Give it to the agent; see `Entry.push`."""
        self._inner.push(message)

    async def drained(self) -> None:
        """Wait until nothing is in it; see `Entry.drained`."""
        await self._inner.drained()

    def take_back(self, message: Message, *, reader_left: bool = False) -> None:
        """Nobody waits for `message` any more; see `TakesBack.take_back`."""
        self._tell_root("gave_up", message.id, reader_left)


class Detours:
    """Makes the entries of durable agents at a member.

    Args:
        letters: Its messages.
        held: What the root holds for it.
        call_root: Lets the root do something, and waits for that.
        tell_root: Says something to the root.
    """

    def __init__(
        self,
        letters: Letters,
        held: Held,
        call_root: Callable[..., Awaitable[Any]],
        tell_root: Callable[..., None],
    ) -> None:
        self._parts = (letters.out.asker_of, call_root, tell_root)
        letters.out.accepting_entry = self._entry_for
        held.by_way_of_root = self.around
        letters.back.recorded = partial(call_root, "recorded")

    def around(self, inner: Entry) -> Entry:
        """The entry of a durable agent, of what takes its messages otherwise."""
        return ByRoot(inner, *self._parts)

    def _entry_for(self, each: Elsewhere) -> Entry | None:
        durable = each.facts.delivery == Delivery.DURABLE and not each.facts.mailbox
        return self.around(each.outbox) if durable else None
