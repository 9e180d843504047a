"""A running supervisor: the one place where the decisions of `civitas.supervision.policy` have effects."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from civitas.errors import StartFailed, SupervisorGaveUp
from civitas.process import ExitKind, ExitReason, Failure, RestartType, Status
from civitas.supervision.backoff import delay
from civitas.supervision.child import Child, Host
from civitas.supervision.clock import Timer
from civitas.supervision.intensity import RestartIntensity
from civitas.supervision.policy import affected, should_restart
from civitas.supervision.spec import ChildSpec, Supervisor

__all__ = ["SupervisorProcess"]

logger = logging.getLogger("civitas")


class _State(Enum):
    UP = auto()
    DOWN = auto()
    """Ended, and not to be started again for itself."""
    PENDING = auto()
    """Ended, and to be started again: by its own timer, or with the sibling it was stopped for."""


@dataclass(slots=True, eq=False)
class _Slot:
    """A child and what its supervisor knows of it."""

    child: Child
    state: _State = _State.DOWN
    generation: int = 0
    timer: Timer | None = None
    cause: ExitReason | None = None
    """Why it is to be started again."""

    def cancel_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(frozen=True, slots=True)
class _Ended:
    slot: _Slot
    generation: int
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class _Due:
    slot: _Slot


class SupervisorProcess:
    """A running supervisor. It is a child of its own supervisor, as an agent is.

    One task takes what happens one at a time, as an OTP supervisor does: while it restarts a group, a further exit
    waits. A wait before a restart is a timer, so that the other children are served meanwhile. `stop` cancels that task
    whatever it is doing, then stops the children; so a child that is slow to start never delays a shutdown.

    Args:
        spec: What the user wrote down.
        host: The node.
    """

    kind = "supervisor"

    def __init__(self, spec: Supervisor, host: Host) -> None:
        self.name = spec.name
        self.spec = spec
        self.status = Status.STARTING
        self.restarts = 0
        self.gave_up: SupervisorGaveUp | None = None
        self._host = host
        self._slots = [_Slot(self._make(child)) for child in spec.children]
        self._intensity = RestartIntensity(spec.max_restarts, spec.restart_window)
        self._inbox: asyncio.Queue[_Ended | _Due] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None

    @property
    def restart(self) -> RestartType:
        """When its own supervisor starts it again."""
        return self.spec.restart

    @property
    def children(self) -> list[Child]:
        """The children there are now, in start order."""
        return [slot.child for slot in self._slots]

    # As a child.

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start the children left to right, each ready before the next."""
        self.status = Status.STARTING
        self.gave_up = None
        self._inbox = asyncio.Queue()
        self._intensity = RestartIntensity(self.spec.max_restarts, self.spec.restart_window)
        self._reset_slots()
        try:
            for slot in self._slots:
                await self._start(slot)
        except BaseException as error:
            await self._stop_children()
            self._close_children(Status.TERMINATED, f"its supervisor {self.name!r} did not start")
            self.status = Status.TERMINATED
            if isinstance(error, StartFailed):
                self._report("start_error", error.child, str(error.cause), error.cause)
            raise
        self._on_exit = on_exit
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"civitas:{self.name}"
        )
        self.status = Status.RUNNING

    async def stop(self) -> None:
        """Stop the children right to left, each within its shutdown timeout."""
        self._on_exit = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            self._report_what_nobody_answered()
        self.status = Status.STOPPING
        await self._stop_children()

    def _report_what_nobody_answered(self) -> None:
        """A crash in the very moment of a stop is answered by the stop, but still told."""
        while not self._inbox.empty():
            match self._inbox.get_nowait():
                case _Ended(slot, generation, reason) if (
                    reason.abnormal and slot.generation == generation
                ):
                    self._crashed(slot.child, reason)

    def wait_for_restart(self) -> None:
        """Let messages for everything below wait for the restart."""
        self.status = Status.RESTARTING
        for slot in self._slots:
            slot.child.wait_for_restart()

    def close(self, status: Status, why: str) -> None:
        """Refuse what is sent to anything below."""
        self.status = status
        self._close_children(status, why)

    # The loop.

    async def _run(self) -> None:
        while self.gave_up is None:
            match await self._inbox.get():
                case _Ended(slot, generation, reason):
                    # A sibling's restart may have stopped and started this child since.
                    if slot.state is _State.UP and slot.generation == generation:
                        await self._ended(slot, reason)
                case _Due(slot):
                    if slot.state is _State.PENDING:
                        await self._restart(slot)

    async def _ended(self, slot: _Slot, reason: ExitReason) -> None:
        child = slot.child
        slot.state = _State.DOWN
        if reason.abnormal:
            self._crashed(child, reason)
        if should_restart(child.restart, reason):
            await self._schedule(slot, reason)
            return
        child.close(Status.STOPPED, f"it ended with reason {reason.kind}")
        self._host.event("terminated", child.name, reason.kind, f"{child.name} ended: {reason}")
        if child.restart is RestartType.TEMPORARY:
            self._remove(slot)

    async def _schedule(self, slot: _Slot, reason: ExitReason) -> None:
        """Count a restart, stop who shares its fate, and set the timer; or give up."""
        spec = self.spec
        name = slot.child.name
        if not self._intensity.add(name, self._host.clock.now()):
            await self._give_up(slot, reason)
            return
        slot.state = _State.PENDING
        slot.child.wait_for_restart()
        for sibling in reversed(self._group(slot)):
            sibling.cancel_timer()
            sibling.cause = reason
            if sibling is not slot:
                await self._stop_for_restart(sibling)
        wait = delay(
            spec.backoff,
            self._intensity.of(name),
            spec.backoff_base,
            spec.backoff_max,
            random.random(),
        )
        due = _Due(slot)
        if wait:
            slot.timer = self._host.clock.call_later(wait, lambda: self._inbox.put_nowait(due))
        else:
            self._inbox.put_nowait(due)

    async def _stop_for_restart(self, sibling: _Slot) -> None:
        was_up, sibling.state = sibling.state is _State.UP, _State.PENDING
        if was_up:
            await sibling.child.stop()
        if sibling.child.restart is RestartType.TEMPORARY:
            sibling.child.close(
                Status.STOPPED, f"{self.name!r} restarts a group and it is temporary"
            )
            self._remove(sibling)
        else:
            sibling.child.wait_for_restart()

    async def _restart(self, slot: _Slot) -> None:
        """Start `slot` and who was stopped with it, left to right."""
        for each in self._group(slot):
            if each.state is _State.UP:
                continue
            each.cancel_timer()
            try:
                await self._start(each)
            except StartFailed as error:
                reason = ExitReason.crashed(error.cause)
                self._crashed(each.child, reason)
                await self._schedule(each, reason)
                return
            each.child.restarts += 1
            name, cause = each.child.name, each.cause
            self._host.event(
                "restarted", name, cause.kind if cause else "", f"{name} is back", cause
            )

    async def _give_up(self, slot: _Slot, reason: ExitReason) -> None:
        spec = self.spec
        limit = f"{spec.max_restarts} restarts in {spec.restart_window:g} s"
        error = SupervisorGaveUp(self.name, slot.child.name, limit, str(reason))
        self._report("shutdown", slot.child.name, str(error), None)
        self._host.event("gave_up", self.name, ExitKind.SHUTDOWN, str(error), reason)
        await self._stop_children()
        self.close(Status.TERMINATED, f"its supervisor {self.name!r} gave up")
        self.gave_up = error
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(ExitReason(ExitKind.SHUTDOWN, Failure.of(error)))

    # The children.

    def _make(self, spec: ChildSpec) -> Child:
        if isinstance(spec, Supervisor):
            return SupervisorProcess(spec, self._host)
        return self._host.place(spec)

    def _reset_slots(self) -> None:
        """The children of the spec, no more and no fewer: a supervisor that is started again starts from there."""
        known = {slot.child.name: slot for slot in self._slots}
        self._slots = [
            known.pop(child.name) if child.name in known else _Slot(self._make(child))
            for child in self.spec.children
        ]
        for slot in known.values():
            self._host.forget(slot.child.name)
        for slot in self._slots:
            slot.cancel_timer()

    def _group(self, slot: _Slot) -> list[_Slot]:
        names = affected(
            self.spec.strategy, [each.child.name for each in self._slots], slot.child.name
        )
        return [each for each in self._slots if each.child.name in set(names)]

    async def _start(self, slot: _Slot) -> None:
        slot.generation += 1
        generation = slot.generation
        await slot.child.start(
            lambda reason: self._inbox.put_nowait(_Ended(slot, generation, reason))
        )
        slot.state = _State.UP
        if slot.child.restarts == 0 and generation == 1:
            self._host.event("started", slot.child.name, "", f"{slot.child.name} runs")

    async def _stop_children(self) -> None:
        for slot in reversed(self._slots):
            slot.cancel_timer()
            slot.state = _State.DOWN
            await slot.child.stop()

    def _close_children(self, status: Status, why: str) -> None:
        for slot in self._slots:
            slot.child.close(status, why)

    def _remove(self, slot: _Slot) -> None:
        slot.cancel_timer()
        self._slots.remove(slot)
        self._host.forget(slot.child.name)

    # Reports: the four fields of OTP's supervisor reports.

    def _crashed(self, child: Child, reason: ExitReason) -> None:
        self._host.event("crashed", child.name, reason.kind, str(reason.failure or reason), reason)
        trace = reason.failure.traceback if reason.failure is not None else ""
        logger.error(
            "supervisor %r: child %r ended: %s%s",
            self.name,
            child.name,
            reason,
            trace and f"\n{trace}",
        )

    def _report(self, context: str, child: str, reason: str, error: BaseException | None) -> None:
        logger.error(
            "supervisor=%r errorContext=%s reason=%s offender=%r",
            self.name,
            context,
            reason,
            child,
            exc_info=error,
        )
