"""A running conversation pool: one process for each conversation, asleep while nobody talks to it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from civitas.errors import AgentTerminated, SupervisionError
from civitas.process import Cell, ChildKind, ExitReason, Status
from civitas.supervision.budget import RestartBudget
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.clock import ClockTimer
from civitas.supervision.dynamic import DynamicSupervisorProcess
from civitas.supervision.slot import Slot, SlotState
from civitas.supervision.spec import ConversationPool

__all__ = ["ConversationPoolProcess"]


class ConversationPoolProcess(DynamicSupervisorProcess):
    """A running conversation pool.

    A conversation's mailbox is there from its first message on, before its process has started and while that goes to
    sleep, so that nothing is lost in between and the order holds.

    Args:
        spec: What the user wrote down.
        host: The node.
        parent: Its own supervisor.
        address: Where messages for it go on this node; its name by default. One of several of that name has its own.
    """

    kind = ChildKind.CONVERSATION_POOL

    def __init__(
        self, spec: ConversationPool, host: Host, parent: Parent | None, address: str = ""
    ) -> None:
        # The host reads these when this joins.
        self.pool = spec
        self.address = address or spec.name
        super().__init__(spec.name, spec.limits, spec.restart, None, host, parent)
        self.paused = False
        """Whether its conversations take no messages, those to come among them."""
        self._cells: dict[str, Cell] = {}
        self._budgets: dict[str, RestartBudget] = {}
        self._alone: set[str] = set()
        """The processes of messages without a conversation: each ends after its message."""
        self._idle: OrderedDict[str, ClockTimer] = OrderedDict()
        """Those that wait for a message, longest first, with the timer that sends them to sleep."""
        self._waiting: OrderedDict[str, None] = OrderedDict()
        """Those that have a message and wait for room among the live ones, as many as a mailbox has places."""
        self._held: OrderedDict[str, None] = OrderedDict()
        """Those behind them, whose senders wait: backpressure, as at a full mailbox."""
        self._line: int = spec.child._civitas_options.mailbox_size

    def cell(self, conversation: str | None, message_id: str) -> Cell:
        """The process for a message of `conversation`; it is woken, or begins, if it is not there."""
        name = f"{self.name}/{conversation if conversation is not None else message_id}"
        cell = self._cells.get(name)
        if cell is None:
            if self.status in (Status.STOPPING, Status.STOPPED, Status.TERMINATED):
                raise AgentTerminated(name, f"its pool {self.name!r} is {self.status}")
            child = self._host.place(self.pool.child, self, name)
            slot = Slot(child, state=SlotState.PENDING)
            assert isinstance(slot.child, Cell)
            cell = self._cells[name] = slot.child
            cell.mailbox.on_idle = lambda: self._is_idle(slot)
            cell.pause(self.paused)
            self._slots[name] = slot
            if conversation is None:
                self._alone.add(name)
            if len(self._waiting) < self._line:
                self._waiting[name] = None
            else:
                self._held[name] = None
                cell.mailbox.hold()
            self._make_room()
        elif (timer := self._idle.pop(name, None)) is not None:
            timer.cancel()
        return cell

    def pause(self, paused: bool) -> None:
        """Let no conversation take messages behind the one in hand, or let all go on."""
        self.paused = paused
        for cell in self._cells.values():
            cell.pause(paused)

    def is_alone(self, name: str) -> bool:
        """Whether a process of it is that of a single message without a conversation."""
        return name in self._alone

    async def start_child(self, spec: Any) -> None:
        """Refused: conversations begin with their first message."""
        raise SupervisionError(
            "not_found",
            f"the children of {self.name!r} are its conversations; send to {self.name!r}",
        )

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start; conversations whose messages waited for that begin again."""
        await super().start(on_exit)
        self._make_room()

    def _forget_children(self) -> None:
        """Before a start: a conversation with messages waits for it, the others begin with their next message."""
        for name, cell in list(self._cells.items()):
            # One that was closed has an empty mailbox: what waited there was refused.
            if len(cell.mailbox) or cell.mailbox.waiting:
                cell.wait_for_restart()
                self._slots[name].state = SlotState.PENDING
                if name not in self._held:
                    self._waiting[name] = None
            else:
                self._drop(
                    self._slots[name], Status.TERMINATED, f"its pool {self.name!r} was stopped"
                )

    # Waking.

    def _make_room(self) -> None:
        """Start who waits, as far as `max_live` allows; put the longest idle to sleep for it."""
        if self.status is not Status.RUNNING:
            return  # `start` comes back to it
        while self._waiting and self._live < self.pool.max_live:
            name, _ = self._waiting.popitem(last=False)
            self._begin_apart(self._wake(self._slots[name]))
            self._let_in()
        self._let_in()
        if self._waiting and self._idle:
            name, timer = self._idle.popitem(last=False)
            timer.cancel()
            self._begin_apart(self._sleep(self._slots[name]))

    @property
    def _live(self) -> int:
        return len(self._slots) - len(self._waiting) - len(self._held)

    def _let_in(self) -> None:
        while self._held and len(self._waiting) < self._line:
            name, _ = self._held.popitem(last=False)
            self._waiting[name] = None
            self._cells[name].mailbox.let_in()

    def _begin_apart(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin it without the variables of a conversation, which the loop would keep with each of its timers."""
        self._begin(work, self._host.variables.copy())

    async def _wake(self, slot: Slot) -> None:
        await self._restart(slot, None, first=True)

    async def _start(self, slot: Slot) -> None:
        name = slot.child.name
        self._waiting.pop(name, None)
        if name in self._held:  # it was started by hand
            del self._held[name]
            self._cells[name].mailbox.let_in()
        await super()._start(slot)

    # Sleeping.

    def _is_idle(self, slot: Slot) -> None:
        name = slot.child.name
        if name in self._held or name in self._waiting:
            if not self._cells[name].busy:  # whoever wanted it gave up
                self._drop(slot, Status.STOPPED, "it is asleep; send again to wake it")
            return
        if self.status is not Status.RUNNING or name in self._idle:
            return
        mailbox = self._cells[name].mailbox
        if not mailbox.idle or mailbox.expected:
            return  # it is at work, and another message was withdrawn; or one is on its way
        if name in self._alone:
            self._begin_apart(self._sleep(slot))
            return
        self._idle[name] = self._begin_after(self.pool.idle_timeout, lambda: self._sleep(slot))
        self._make_room()

    async def _sleep(self, slot: Slot) -> None:
        """End an idle process, its state kept; where a message came meanwhile, it begins again."""
        if not self._runs(slot):
            return
        cell = self._cells[slot.child.name]
        if (timer := self._idle.pop(cell.name, None)) is not None:
            timer.cancel()
        generation = slot.generation
        if cell.name in self._alone:
            await cell.stop()
        else:
            await cell.sleep()
        if not self._runs(slot) or slot.generation != generation:
            return  # somebody ended it meanwhile, or started it again
        if len(cell.mailbox) or cell.mailbox.waiting:
            slot.state = SlotState.PENDING
            await self._wake(slot)
            return
        self._drop(slot, Status.STOPPED, "it is asleep; send again to wake it")

    def _runs(self, slot: Slot) -> bool:
        return self._lives(slot) and slot.state is SlotState.UP

    # Crashes: each conversation has its own budget, so that one that crashes disturbs no other.

    def _spend(self, name: str, incident: str) -> float | None:
        budget = self._budgets.get(name)
        if budget is None:
            budget = self._budgets[name] = RestartBudget(self.limits)
        return budget.spend(name, self._host.clock.now(), incident)

    def restarts_left(self, name: str = "") -> int:
        """How many more restarts it may make of one conversation."""
        budget = self._budgets.get(name)
        left = self.limits.max_restarts
        return left if budget is None else budget.left(self._host.clock.now())

    def _too_many(self, slot: Slot, reason: ExitReason) -> None:
        self._drop(
            slot, Status.TERMINATED, f"it crashed once more than {self.limits} allow: {reason}"
        )
        self._report.terminated(slot.child, reason)

    def _drop(self, slot: Slot, status: Status, why: str) -> None:
        if not self._has(slot):
            return
        name = slot.child.name
        if (cell := self._cells.pop(name, None)) is not None:
            cell.mailbox.on_idle = None  # it led back here
        self._budgets.pop(name, None)
        self._alone.discard(name)
        self._waiting.pop(name, None)
        self._held.pop(name, None)
        if (timer := self._idle.pop(name, None)) is not None:
            timer.cancel()
        super()._drop(slot, status, why)
        self._make_room()

    async def _stop_children(self, why: str) -> None:
        """Stop all conversations at once, the state of each kept."""
        self._waiting.clear()
        for timer in self._idle.values():
            timer.cancel()
        self._idle.clear()
        for slot in self._slots.values():
            slot.cancel()
        await asyncio.gather(*(self._stop_child(cell, why) for cell in self._cells.values()))

    async def _stop_child(self, child: Child, why: str) -> None:
        await self._host.turns.give_way()
        cell = self._cells.get(child.name)
        if cell is None:
            return  # whoever wanted it gave up
        await cell.sleep(why)
        if why:
            cell.close(Status.TERMINATED, why)
