"""Restarts of children that ended by themselves: when, together with whom, and when it is too much."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from itertools import filterfalse
from operator import attrgetter
from typing import Any

from civitas.errors import StartFailed
from civitas.process import ExitReason, RestartType, Status
from civitas.supervision.budget import RestartBudget
from civitas.supervision.child import Host
from civitas.supervision.children import Children
from civitas.supervision.policy import should_restart
from civitas.supervision.report import Reporter
from civitas.supervision.slot import Due, Slot, SlotState
from civitas.supervision.spec import Supervisor
from civitas.supervision.startup import Call, Result, StartUp, StartUps
from civitas.supervision.work_list import WorkList

__all__ = ["Rest", "Restarts", "all_of"]

Rest = Callable[[], Awaitable[object]] | None
"""What there is still to do that has to wait for something, to be called and awaited; mostly there is nothing."""

_is_available = attrgetter("child.available")


async def all_of(rest: Rest) -> None:
    """Do what is left."""
    if rest is not None:
        await rest()


class Restarts:
    """The restarts of one supervisor's children, which share one budget.

    Args:
        spec: What the user wrote down.
        host: The node; its clock measures the waits.
        children: The children.
        starts: Their starts that are under way.
        report: Says what happened.
        to_do: Gets a `Due` when the wait before a restart is over; the supervisor then calls `take`.
        resume: Takes calls that waited for a start.
        give_up: Ends the supervisor, since there were too many.
    """

    def __init__(
        self,
        spec: Supervisor,
        host: Host,
        children: Children,
        starts: StartUps,
        report: Reporter,
        *,
        to_do: WorkList[Any],
        resume: Callable[[list[Call]], None],
        give_up: Callable[[Slot, ExitReason], Awaitable[None]],
    ) -> None:
        self._spec = spec
        self._host = host
        self._children = children
        self._starts = starts
        self._report = report
        self._to_do = to_do
        self._resume = resume
        self._give_up = give_up
        self._budget = RestartBudget(spec.limits)
        self._too_many = False

    def reset(self) -> None:
        """Begin with a fresh budget; with what is left of it when another root ran the tree before."""
        host, spec = self._host, self._spec
        self._budget = RestartBudget(spec.limits, host.history.begin(spec.name), host.clock.now())
        self._too_many = False

    @property
    def left(self) -> int:
        """How many more there may be at this moment."""
        return self._budget.left(self._host.clock.now())

    def ended(self, slot: Slot, reason: ExitReason) -> Rest:
        """A child ended by itself: start it again after a wait, or leave it down."""
        child = slot.child
        slot.state = SlotState.DOWN
        if reason.abnormal:
            self._report.crashed(child, reason)
        if should_restart(child.restart, reason):
            return self._schedule(slot, reason)
        child.close(Status.STOPPED, f"it ended with reason {reason.kind}")
        self._report.terminated(child, reason)
        if child.restart is RestartType.TEMPORARY:
            self._children.remove(slot)
        return None

    def take(self, due: Due) -> Rest:
        """A wait is over: begin the restart, or wait on for the OS processes that it needs."""
        slot = due.slot
        if slot.due is not due:
            return None  # it was called off
        group = self._children.group(slot)
        away = list(filterfalse(_is_available, group))
        if due.tried or not away:
            if len(group) > 1 or slot in self._starts.of or slot.state is SlotState.UP:
                return lambda: self._begin(slot, group)
            self._begin_alone(slot)
        else:  # their OS processes are on their way; the others are served meanwhile
            slot.due = again = Due(slot, tried=True)
            self._when_available(away, again)
        return None

    def _begin_alone(self, slot: Slot) -> None:
        if slot.here is not None:
            self._starts.begin_here(slot, slot.here, self.started)
        else:
            self._starts.begin([slot], self.started, may_end=True)

    async def begin(self, slot: Slot) -> StartUp:
        """Begin to start `slot` and who was stopped with it, left to right."""
        return await self._begin(slot, self._children.group(slot))

    async def _begin(self, slot: Slot, group: list[Slot]) -> StartUp:
        if self._starts.under_way:
            # One of them may be about to start meanwhile, by hand or for a sibling of its own.
            self._resume(await self._starts.make_way(group))
            group = self._children.group(slot)
        for each in reversed(group):
            # It was added, or started by hand, while the others waited.
            if each.state is SlotState.UP:
                each.cause = slot.cause
                await self._stop_sibling(each)
        if len(group) > 1:  # some of them may be gone
            group = self._children.group(slot)
        return self._starts.begin(group, self.started, may_end=True)

    async def started(self, result: Result) -> Exception | None:
        """A restart is over; who did not start is tried again after a wait."""
        if result is None:
            return None
        slot, error = result
        if isinstance(error, StartFailed):
            reason = ExitReason.crashed(error.cause, incident=error.incident)
            slot.child.status = Status.RESTARTING
            self._report.crashed(slot.child, reason)
            await all_of(self._schedule(slot, reason))
        return error

    def _schedule(self, slot: Slot, reason: ExitReason) -> Rest:
        """Count a restart, stop who shares its fate, and set the timer; or give up."""
        wait = self._budget.spend(slot.child.name, self._host.clock.now(), reason.incident)
        if wait is None:
            self._too_many = True
            return lambda: self._give_up(slot, reason)
        slot.state = SlotState.PENDING
        group = self._children.group(slot)
        if len(group) > 1 or slot in self._starts.of:
            return lambda: self._schedule_group(slot, reason, wait, group)
        slot.child.wait_for_restart()
        if slot.due is not None:
            slot.cancel()
        slot.cause = reason
        if wait or self._to_do or not slot.child.available:
            return self._wait(slot, wait)
        self._begin_alone(slot)
        return None

    async def _schedule_group(
        self, slot: Slot, reason: ExitReason, wait: float, group: list[Slot]
    ) -> None:
        if self._starts.under_way:
            self._resume(await self._starts.make_way(group))
            if self._too_many:
                return  # for a start of the group that had failed as well
            group = self._children.group(slot)
        slot.child.wait_for_restart()
        for sibling in reversed(group):
            if sibling.due is not None:
                sibling.cancel()
            sibling.cause = reason
            if sibling is not slot:
                await self._stop_sibling(sibling)
        await all_of(self._wait(slot, wait))

    def _wait(self, slot: Slot, wait: float) -> Rest:
        """Set the timer, or begin at once."""
        slot.due = due = Due(slot)
        slot.resumes = time.time() + wait
        if wait:
            slot.timer = self._host.clock.call_later(wait, lambda: self._to_do.put(due))
        elif not self._to_do:
            return self.take(due)
        else:
            self._to_do.put(due)
        return None

    async def _stop_sibling(self, sibling: Slot) -> None:
        """Stop a child because it shares another one's fate."""
        was_up, sibling.state = sibling.state is SlotState.UP, SlotState.PENDING
        if was_up:
            await sibling.child.stop()
        if sibling.child.restart is RestartType.TEMPORARY:
            owner = self._spec.name
            sibling.child.close(Status.STOPPED, f"{owner!r} restarts a group and it is temporary")
            self._children.remove(sibling)
        else:
            sibling.child.wait_for_restart()

    def _when_available(self, away: list[Slot], due: Due) -> None:
        """Go on when the OS process of each of these is there, or has failed to start."""
        missing = len(away)

        def one_is() -> None:
            nonlocal missing
            missing -= 1
            if not missing:
                self._to_do.put(due)

        for each in away:
            each.child.when_available(one_is)
