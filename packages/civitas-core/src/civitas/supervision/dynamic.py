"""A running dynamic supervisor: children that come and go, each for itself."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from civitas.budgets import Budget
from civitas.errors import ConfigurationError, StartFailed, SupervisionError, SupervisorGaveUp
from civitas.process import (
    SHUTDOWN,
    AgentProcess,
    ChildKind,
    ExitKind,
    ExitReason,
    PlainError,
    RestartType,
    Status,
)
from civitas.supervision.budget import RestartBudget, RestartLimits
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.clock import ClockTimer
from civitas.supervision.placed import Placed
from civitas.supervision.policy import should_restart
from civitas.supervision.report import Reporter
from civitas.supervision.slot import Slot, SlotState, dues_of
from civitas.supervision.spec import check_child

_Result = TypeVar("_Result")

__all__ = ["DynamicSupervisorProcess"]


class DynamicSupervisorProcess:
    """A running dynamic supervisor.

    Its children are independent, so it needs no task of its own: each start, restart and stop is a piece of work beside
    the others, and one child that is slow to start delays nobody.

    Args:
        name: Its name.
        limits: How many restarts it may make.
        restart: When its own supervisor starts it again.
        max_children: How many children there may be; None for no bound.
        host: The node.
        parent: Its own supervisor.
    """

    kind = ChildKind.DYNAMIC_SUPERVISOR

    def __init__(
        self,
        name: str,
        limits: RestartLimits,
        restart: RestartType,
        max_children: int | None,
        host: Host,
        parent: Parent | None,
    ) -> None:
        self.name = name
        self.limits = limits
        self.restart = restart
        self.max_children = max_children
        self.parent = parent
        self.status = Status.STARTING
        self.restarts = 0
        self._host = host
        self._report = Reporter(name, host)
        self._slots: dict[str, Slot] = {}
        self._budget = RestartBudget(limits)
        self._work: set[asyncio.Task[Any]] = set()
        self._ends: deque[tuple[Slot, int, ExitReason]] = deque()
        """Of children that ended by themselves, to be answered."""
        self._on_exit: Callable[[ExitReason], None] | None = None
        host.join(self)

    budget: Budget | None = None
    """What all below it may spend together."""
    available = True
    """Whether it can be started now: it runs where the root does."""

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it can be started."""
        callback()

    @property
    def children(self) -> list[Child]:
        """The children there are now."""
        return [slot.child for slot in self._slots.values()]

    def dues(self) -> dict[str, float]:
        """When children that crashed are started again, by their names."""
        return dues_of(self._slots.values())

    def restarts_left(self, name: str = "") -> int:
        """How many more restarts it may make, of the child `name` among others."""
        return self._budget.left(self._host.clock.now())

    # As a child.

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start without children."""
        self._forget_children()
        past = self._host.history.begin(self.name)
        self._budget = RestartBudget(self.limits, past, self._host.clock.now())
        self._on_exit = on_exit
        self.status = Status.RUNNING

    async def stop(self, why: str = "") -> None:
        """Stop all children at once, each within its shutdown timeout."""
        self._on_exit = None
        self.status = Status.STOPPING
        await self._end_work()
        await self._stop_children(why)

    def refuse_asks(self, why: str) -> None:
        """Refuse the asks that wait in the mailboxes of its children; they are about to be stopped."""
        for slot in list(self._slots.values()):
            slot.child.refuse_asks(why)

    def wait_for_restart(self) -> None:
        """It is about to be started again, without its children: those are gone."""
        self.status = Status.RESTARTING
        self._forget_children()

    def close(self, status: Status, why: str) -> None:
        """Refuse what is sent to its children."""
        self.status = status
        for slot in self._slots.values():
            slot.child.close(Status.TERMINATED, why)

    def discard(self) -> None:
        """Forget its name and those of its children."""
        self._forget_children()
        self._host.leave(self)

    # Child administration.

    async def start_child(self, spec: AgentProcess | Placed) -> None:
        """Add a child and start it."""
        if not isinstance(spec, (AgentProcess, Placed)):
            raise ConfigurationError(
                f"the children of a DynamicSupervisor are agents; {self.name!r} got {spec!r}"
            )
        check_child(spec, f"DynamicSupervisor({self.name!r}): ")
        await self._host.turns.give_way()  # thousands may come together
        if self.status is not Status.RUNNING:
            raise SupervisionError("restarting", f"{self.name!r} is {self.status}; try again")
        if spec.name in self._slots:
            raise SupervisionError(
                "already_started", f"{spec.name!r} already runs under {self.name!r}"
            )
        limit = self.max_children
        if limit is not None and len(self._slots) >= limit:
            raise SupervisionError(
                "max_children", f"{self.name!r} has {limit} children, the most it may have"
            )
        try:
            slot = Slot(self._host.place(spec, self, spec.name), spec)
        except ConfigurationError as error:
            raise SupervisionError("already_started", str(error)) from error
        self._slots[spec.name] = slot
        starting = self._begin(self._start_first(slot))
        try:
            await self._finish(starting)
        except asyncio.CancelledError:
            await asyncio.wait({self._begin(self._take_back(slot, starting))})
            raise

    async def terminate_child(self, name: str) -> None:
        """Stop a child and forget it."""
        await self._host.turns.give_way()
        slot = self._slot(name)
        slot.cancel()
        slot.state = SlotState.DOWN
        await slot.child.stop()
        if self._has(slot):  # nobody else ended it meanwhile
            self._drop(slot, Status.STOPPED, "it was stopped")
            self._report.terminated(slot.child, SHUTDOWN)

    async def recycle(self, name: str) -> None:
        """Stop a child and start it again; what waits in its mailbox waits for that."""
        slot = self._slot(name)
        if slot.child.status is Status.STARTING:
            raise SupervisionError("restarting", f"{name!r} is about to start anyway")
        await self._finish(self._begin(self._recycle(slot)))

    async def _start_first(self, slot: Slot) -> StartFailed | None:
        try:
            await self._start(slot)
        except StartFailed as error:
            self._drop(slot, Status.TERMINATED, "it did not start")
            return error
        self._report.started(slot.child)
        return None

    async def _take_back(self, slot: Slot, starting: asyncio.Task[StartFailed | None]) -> None:
        """Undo a start that nobody wants any more."""
        told = starting.done()
        starting.cancel()
        await asyncio.wait({starting})
        if not self._has(slot):
            return
        if told:
            await self.terminate_child(slot.child.name)
        else:
            self._drop(slot, Status.TERMINATED, "its start was cancelled")

    async def _finish(self, work: asyncio.Task[StartFailed | SupervisionError | None]) -> None:
        """Wait for a start; who gives up waiting does not end it."""
        await asyncio.wait({work})
        if work.cancelled():
            raise SupervisionError("restarting", f"{self.name!r} is {self.status}; try again")
        if (error := work.result()) is not None:
            raise error

    async def _recycle(self, slot: Slot) -> StartFailed | SupervisionError | None:
        name = slot.child.name
        ended = SupervisionError("not_found", f"{name!r} of {self.name!r} is being ended")
        if not self._lives(slot):
            return ended
        slot.cancel()
        slot.state = SlotState.PENDING
        generation = slot.generation
        await slot.child.stop()
        if not self._lives(slot):
            return ended
        if slot.generation != generation:
            return None  # another restart by hand was quicker
        slot.child.wait_for_restart()
        return await self._restart(slot, None)

    def _slot(self, name: str) -> Slot:
        slot = self._slots.get(name)
        if slot is None:
            raise SupervisionError("not_found", f"{self.name!r} has no child {name!r}")
        return slot

    def _has(self, slot: Slot) -> bool:
        """Whether `slot` is still that of its name."""
        return self._slots.get(slot.child.name) is slot

    def _lives(self, slot: Slot) -> bool:
        """Whether `slot` is to run: neither it nor this supervisor is being ended."""
        return (
            self.status is Status.RUNNING and slot.state is not SlotState.DOWN and self._has(slot)
        )

    # What happens.

    async def _start(self, slot: Slot) -> None:
        slot.cancel()
        slot.state = SlotState.UP
        slot.generation += 1
        generation = slot.generation
        loop = asyncio.get_running_loop()

        def on_exit(reason: ExitReason) -> None:
            slot.has_ended(reason)
            self._ends.append((slot, generation, reason))
            if len(self._ends) == 1:  # not before its start has been told
                loop.call_soon(self._take_ends)

        await slot.child.start(on_exit)

    def _take_ends(self) -> None:
        while self._ends:
            if self._host.turns.long:
                asyncio.get_running_loop().call_soon(self._take_ends)
                return
            self._ended(*self._ends.popleft())

    def _ended(self, slot: Slot, generation: int, reason: ExitReason) -> None:
        if slot.generation != generation:
            return
        child = slot.child
        lives = self._lives(slot)
        if reason.kind is ExitKind.CRASHED or (lives and reason.abnormal):
            self._report.crashed(child, reason)
        if not lives:
            return  # it was to be ended anyway
        if not should_restart(child.restart, reason):
            self._drop(slot, Status.STOPPED, f"it ended with reason {reason.kind}")
            self._report.terminated(child, reason)
            return
        self._schedule(slot, reason)

    def _schedule(self, slot: Slot, reason: ExitReason) -> None:
        wait = self._spend(slot.child.name, reason.incident)
        if wait is None:
            self._too_many(slot, reason)
            return
        slot.state = SlotState.PENDING
        slot.child.wait_for_restart()
        slot.resumes = time.time() + wait
        slot.timer = self._begin_after(wait, lambda: self._restart(slot, reason))

    def _spend(self, name: str, incident: str) -> float | None:
        """Seconds to wait before a restart of `name`, or None if it is one too many."""
        return self._budget.spend(name, self._host.clock.now(), incident)

    def _too_many(self, slot: Slot, reason: ExitReason) -> None:
        self.status = Status.STOPPING
        self._begin(self._give_up(slot, reason))

    async def _restart(
        self, slot: Slot, cause: ExitReason | None, *, first: bool = False
    ) -> StartFailed | None:
        """Start `slot` again; if it does not start, it is tried again after a wait."""
        await self._host.turns.give_way()
        if not self._lives(slot) or slot.state is SlotState.UP:
            return None
        generation = slot.generation + 1
        try:
            await self._start(slot)
        except StartFailed as error:
            if self._lives(slot) and slot.generation == generation:
                reason = ExitReason.crashed(error.cause, incident=error.incident)
                slot.child.status = Status.RESTARTING
                self._report.crashed(slot.child, reason)
                self._schedule(slot, reason)
            return error
        if first:
            self._report.started(slot.child)
        else:
            slot.child.restarts += 1
            self._report.restarted(slot.child, cause)
        return None

    async def _give_up(self, slot: Slot, reason: ExitReason) -> None:
        error = SupervisorGaveUp(self.name, slot.child.name, str(self.limits), str(reason))
        slot.child.status = Status.TERMINATED
        self._report.gave_up(error, reason)
        why = f"its supervisor {self.name!r} gave up"
        self.refuse_asks(why)
        await self._end_work()
        await self._stop_children(why)
        self.close(Status.TERMINATED, why)
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(ExitReason(ExitKind.SHUTDOWN, PlainError.of(error)))

    async def _stop_children(self, why: str) -> None:
        slots = list(self._slots.values())
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*(self._stop_child(slot.child, why) for slot in slots))

    async def _stop_child(self, child: Child, why: str) -> None:
        await self._host.turns.give_way()
        await child.stop(why)
        if why:  # who stops beside it may ask it a last thing, and is told
            child.close(Status.TERMINATED, why)

    def _forget_children(self) -> None:
        for slot in list(self._slots.values()):
            self._drop(slot, Status.TERMINATED, f"its supervisor {self.name!r} was started again")

    def _drop(self, slot: Slot, status: Status, why: str) -> None:
        if self._has(slot):
            slot.cancel()
            del self._slots[slot.child.name]
            slot.child.close(status, why)
            slot.child.discard()

    def _begin(
        self, work: Coroutine[Any, Any, _Result], variables: Context | None = None
    ) -> asyncio.Task[_Result]:
        """Do a piece of work beside the others."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name=f"civitas:{self.name}", context=variables)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _begin_after(
        self, wait: float, work: Callable[[], Coroutine[Any, Any, object]]
    ) -> ClockTimer:
        def begin() -> None:
            self._begin(work())

        return self._host.clock.call_later(wait, begin)

    async def _end_work(self) -> None:
        """End what is on its way: starts, restarts, a give-up."""
        work = self._work - {asyncio.current_task()}
        for task in work:
            if not task.cancelling():
                task.cancel()
        if work:
            await asyncio.wait(work)
