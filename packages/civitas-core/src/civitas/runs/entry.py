"""`AcceptedEntry`: what senders put the messages for a durable agent into."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Callable
from typing import Protocol

from civitas.errors import DeliveryError
from civitas.message import Message
from civitas.process import Entry, Line, Wake, soon
from civitas.runs.open_run import DurableAgent, OpenRun

__all__ = ["AcceptedEntry", "Accepting", "Inner"]


class Inner(Entry, Protocol):
    """The entry behind it: the mailbox of the agent, or what carries messages there."""

    def check_open(self) -> None:
        """Raise the `DeliveryError` with which it refuses messages, if it does."""

    def expect(self, messages: int) -> None:
        """So many messages will be put into it."""


class Accepting(Protocol):
    """Whoever keeps runs."""

    async def take(self, entry: AcceptedEntry, message: Message, timeout: float | None) -> None:
        """Keep a message, and see to it that it is handled."""

    def want(self, entry: AcceptedEntry) -> None:
        """Read the messages of runs that wait in `entry`, and let it go on."""


class AcceptedEntry:
    """The entry of an agent whose messages are in the store before their senders go on.

    There is room for as many unfinished messages as its mailbox holds, and one in hand; who finds no room waits. They
    go to the agent in the order in which they were accepted: behind those of an earlier program, and each after those
    that came before it, whichever of them the store had first.

    Args:
        name: Of the agent.
        inner: The entry behind it.
        size: How many messages its mailbox holds.
        agent: The agent.
        hand: Gives it a message that is in the store.
        accepting: Keeps them.
    """

    __slots__ = (
        "_accepting",
        "_change",
        "_coming",
        "_expected",
        "_hand",
        "_has",
        "_line",
        "_room_for",
        "_set_aside",
        "agent",
        "inner",
        "is_wanted",
        "name",
        "size",
        "unfinished",
        "waiting",
    )

    def __init__(
        self,
        name: str,
        inner: Inner,
        size: int,
        agent: DurableAgent,
        hand: Callable[[DurableAgent, OpenRun], None],
        accepting: Accepting,
    ) -> None:
        self.name = name
        self.inner = inner
        self.size = size
        self.unfinished: set[OpenRun] = set()
        """The runs that have a place in it."""
        self.waiting: list[OpenRun] = []
        """Those that its agent does not have yet and that are in the store, in order."""
        self.is_wanted = False
        """Whether messages for it are being read."""
        self.agent = agent
        self._hand = hand
        self._accepting = accepting
        self._coming: deque[OpenRun] = deque()
        """Those that are on their way into the store, in the order they came."""
        self._has = 0
        """How many its agent has."""
        self._set_aside: list[OpenRun] = []
        """Those that its agent does not go on with, as it is now."""
        self._line = Line(name)
        self._room_for: dict[str, OpenRun] = {}
        self._expected = 0
        """How many it will give its agent."""
        self._change: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self.inner) + len(self.waiting)

    keeps_runs = True
    """Whether what is put into it has a name, and an answer that is kept."""

    # For senders; see `Entry`.

    def offer(self, message: Message, wake: Wake = soon) -> bool:
        """Never takes it at once: the store must have it; see `Entry.offer`."""
        self.inner.check_open()
        return False

    async def put(self, message: Message, timeout: float | None) -> None:
        """Put, and wait until the store has it; see `Entry.put`."""
        self.inner.check_open()
        await self._accepting.take(self, message, timeout)

    def push(self, message: Message) -> None:
        """Tell the agent something of the system itself; see `Entry.push`."""
        self.inner.push(message)

    async def drained(self) -> None:
        """Wait until its agent is finished with all, or takes no messages any more; see `Entry.drained`."""
        while True:
            await self.inner.drained()
            if not self._expected or self.is_closed:
                return
            if self._change is None:
                self._change = asyncio.Event()
            await self._change.wait()

    # For whoever keeps runs.

    async def admit(self, run: OpenRun, message: Message, timeout: float | None) -> None:
        """Wait for room for a run, and give it its turn.

        Raises:
            MailboxFull: There was no room in time.
            DeliveryError: The agent takes no messages any more.
        """
        if self._line.forms or not self._has_room():
            self._room_for[message.id] = run
            try:
                await self._line.wait(message, timeout, self.size)
            except BaseException:
                self.dropped(run)  # it may have been let in in the same moment
                raise
            finally:
                self._room_for.pop(message.id, None)
        else:
            self._enter(run)

    def kept(self) -> None:
        """The store has another run: hand over what is at its turn."""
        coming = self._coming
        while coming and coming[0].is_kept:
            self._give(coming.popleft())

    def dropped(self, run: OpenRun) -> None:
        """The store does not have a run, and will not."""
        if run in self._coming:
            self._coming.remove(run)
        self.finished(run)
        self.kept()

    def again(self, run: OpenRun) -> None:
        """A run waits that was accepted before: in an earlier program, or before its agent was stopped."""
        run.entry = self
        self.unfinished.add(run)
        if run.delivered:
            run.delivered, run.running, run.did = False, False, None
            self._has -= 1
        insort(self.waiting, run, key=_order)
        self._tell()

    def hold(self, run: OpenRun) -> None:
        """Its agent does not go on with a run, as it is now: others get its place; see `try_again`."""
        self.finished(run)
        run.delivered, run.running, run.did = False, False, None
        self._set_aside.append(run)

    @property
    def holds(self) -> bool:
        """Whether there are runs that its agent did not go on with."""
        return bool(self._set_aside)

    def try_again(self) -> None:
        """Its agent starts, perhaps as another one: what that did not go on with before waits again."""
        held, self._set_aside = self._set_aside, []
        for run in held:
            run.held = None
            self.again(run)

    def finished(self, run: OpenRun) -> None:
        """A run is over: its place is free."""
        if run in self._set_aside:
            self._set_aside.remove(run)
        if run not in self.unfinished:
            return
        self.unfinished.discard(run)
        if run.delivered:
            self._has -= 1
        elif run in self.waiting:
            self.waiting.remove(run)
        self._line.let_in(self._has_room, self._let_in)
        self.go_on()
        self._tell()

    def go_on(self) -> None:
        """Give the agent what waits, as much as it may hold."""
        while self.waiting and self._has <= self.size and not self.is_wanted:
            run = self.waiting[0]
            if run.message is None:
                self._accepting.want(self)
                return
            if self.is_closed:
                return  # until its agent is started again
            del self.waiting[0]
            self._deliver(run)

    def refuse(self, error: Callable[[], DeliveryError]) -> None:
        """Send away who waits for room: the agent takes no messages any more."""
        self._line.refuse(error)
        self._tell()

    @property
    def is_closed(self) -> bool:
        """Whether its agent takes no messages."""
        try:
            self.inner.check_open()
        except DeliveryError:
            return True
        return False

    def _has_room(self) -> bool:
        return len(self.unfinished) <= self.size

    def _let_in(self, message: Message) -> None:
        self._enter(self._room_for[message.id])

    def _enter(self, run: OpenRun) -> None:
        run.entry = self
        self.unfinished.add(run)
        self._coming.append(run)
        self._tell()

    def _give(self, run: OpenRun) -> None:
        if run.over:
            return
        insort(self.waiting, run, key=_order)
        self.go_on()

    def _deliver(self, run: OpenRun) -> None:
        run.delivered = True
        self._has += 1
        self._hand(self.agent, run)
        self._tell()

    def _tell(self) -> None:
        """Let the entry behind it, and who waits until it is drained, know what is still to come."""
        expected = len(self.unfinished) - self._has
        if expected != self._expected:
            self._expected = expected
            self.inner.expect(expected)
        if self._change is not None:
            self._change.set()
            self._change = None


def _order(run: OpenRun) -> int:
    return run.record.order
