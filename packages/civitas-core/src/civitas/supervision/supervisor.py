"""A running supervisor: the one place where the decisions of `civitas.supervision.policy` have effects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from civitas.errors import ConfigurationError, StartFailed, SupervisionError, SupervisorGaveUp
from civitas.process import SHUTDOWN, ExitKind, ExitReason, Failure, RestartType, Status
from civitas.supervision.budget import RestartBudget
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.clock import Timer
from civitas.supervision.dynamic import DynamicSupervisorProcess
from civitas.supervision.policy import affected, should_restart
from civitas.supervision.pool import ConversationPoolProcess
from civitas.supervision.report import Reporter
from civitas.supervision.spec import (
    ChildSpec,
    ConversationPool,
    DynamicSupervisor,
    Supervisor,
)

__all__ = ["SupervisorProcess"]


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


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[], Awaitable[None]]
    done: asyncio.Future[None]


class SupervisorProcess:
    """A running supervisor. It is a child of its own supervisor, as an agent is.

    One task takes what happens one at a time, as an OTP supervisor does: while it restarts a group, a further exit
    waits. A wait before a restart is a timer, so that the other children are served meanwhile. `stop` cancels that task
    whatever it is doing, then stops the children; so a child that is slow to start never delays a shutdown.

    Args:
        spec: What the user wrote down.
        host: The node.
        parent: Its own supervisor; None for the root.
    """

    kind = "supervisor"

    def __init__(self, spec: Supervisor, host: Host, parent: Parent | None = None) -> None:
        self.name = spec.name
        self.spec = spec
        self.parent = parent
        self.status = Status.STARTING
        self.restarts = 0
        self.gave_up: SupervisorGaveUp | None = None
        self._host = host
        self._report = Reporter(spec.name, host)
        host.join(self)
        self._slots = [_Slot(self._make(child)) for child in spec.children]
        self._budget = RestartBudget(spec.limits)
        self._inbox: asyncio.Queue[_Ended | _Due | _Call] = asyncio.Queue()
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
        self._budget = RestartBudget(self.spec.limits)
        self._reset_slots()
        try:
            for slot in self._slots:
                await self._start(slot)
        except BaseException as error:
            await self._stop_children()
            self._close_children(Status.TERMINATED, f"its supervisor {self.name!r} did not start")
            self.status = Status.TERMINATED
            if isinstance(error, StartFailed):
                self._report.start_failed(error)
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
            self._empty_inbox()
        self.status = Status.STOPPING
        await self._stop_children()

    def _empty_inbox(self) -> None:
        """What came in the very moment of a stop is answered by the stop; a crash is still told."""
        while not self._inbox.empty():
            match self._inbox.get_nowait():
                case _Ended(slot, generation, reason) if (
                    reason.abnormal and slot.generation == generation
                ):
                    self._report.crashed(slot.child, reason)
                case _Call(_, done) if not done.done():
                    done.set_exception(self._not_running())

    def wait_for_restart(self) -> None:
        """Let messages for everything below wait for the restart."""
        self.status = Status.RESTARTING
        for slot in self._slots:
            slot.child.wait_for_restart()

    def close(self, status: Status, why: str) -> None:
        """Refuse what is sent to anything below."""
        self.status = status
        self._close_children(status, why)

    def discard(self) -> None:
        """Forget its name and all names below it."""
        for slot in self._slots:
            slot.child.discard()
        self._host.leave(self)

    # Child administration: OTP's calls of the same names.

    async def start_child(self, spec: ChildSpec) -> None:
        """Add a child at the end and start it."""
        await self._call(lambda: self._start_child(spec))

    async def terminate_child(self, name: str) -> None:
        """Stop a child and keep its spec; a temporary child is forgotten."""
        await self._call(lambda: self._terminate_child(name))

    async def restart_child(self, name: str) -> None:
        """Start a child that was stopped or has ended."""
        await self._call(lambda: self._restart_child(name))

    async def delete_child(self, name: str) -> None:
        """Forget a child that does not run."""
        await self._call(lambda: self._delete_child(name))

    async def recycle(self, name: str) -> None:
        """Stop a child and start it again; what waits in its mailbox waits for that."""
        await self._call(lambda: self._recycle(name))

    async def _call(self, work: Callable[[], Awaitable[None]]) -> None:
        """Let the supervisor's own task do it, so that nothing else of its doing is half done."""
        if self._task is None or self._task.done():
            raise self._not_running()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(_Call(work, done))
        await done

    def _not_running(self) -> SupervisionError:
        return SupervisionError(
            "restarting", f"supervisor {self.name!r} is {self.status}; try again"
        )

    async def _start_child(self, spec: ChildSpec) -> None:
        for slot in self._slots:
            if slot.child.name == spec.name:
                if slot.state is _State.UP:
                    raise SupervisionError(
                        "already_started", f"{spec.name!r} runs under {self.name!r} already"
                    )
                raise SupervisionError(
                    "already_present",
                    f"{spec.name!r} is a child of {self.name!r} that does not run; "
                    "use restart_child or delete_child",
                )
        try:
            slot = _Slot(self._make(spec))
        except ConfigurationError as error:
            raise SupervisionError("already_started", str(error)) from error
        self._slots.append(slot)
        try:
            await self._start(slot)
        except BaseException:
            slot.child.close(Status.TERMINATED, "it did not start")
            self._remove(slot)
            raise

    async def _terminate_child(self, name: str) -> None:
        slot = self._slot(name)
        slot.cancel_timer()
        slot.state = _State.DOWN
        await slot.child.stop()
        slot.child.close(Status.STOPPED, "it was stopped")
        self._report.terminated(slot.child, SHUTDOWN)
        if slot.child.restart is RestartType.TEMPORARY:
            self._remove(slot)

    async def _restart_child(self, name: str) -> None:
        slot = self._slot(name)
        self._check_down(slot)
        await self._start(slot)

    async def _recycle(self, name: str) -> None:
        slot = self._slot(name)
        slot.cancel_timer()
        slot.state = _State.PENDING
        await slot.child.stop()
        slot.child.wait_for_restart()
        slot.cause = None
        try:
            await self._start(slot)
        except StartFailed as error:
            reason = ExitReason.crashed(error.cause)
            self._report.crashed(slot.child, reason)
            await self._schedule(slot, reason)
            raise
        slot.child.restarts += 1
        self._report.restarted(slot.child, None)

    async def _delete_child(self, name: str) -> None:
        slot = self._slot(name)
        self._check_down(slot)
        self._remove(slot)

    def _slot(self, name: str) -> _Slot:
        for slot in self._slots:
            if slot.child.name == name:
                return slot
        raise SupervisionError("not_found", f"{self.name!r} has no child {name!r}")

    def _check_down(self, slot: _Slot) -> None:
        if slot.state is _State.UP:
            raise SupervisionError("running", f"{slot.child.name!r} runs; terminate_child first")
        if slot.state is _State.PENDING:
            raise SupervisionError(
                "restarting", f"{slot.child.name!r} is about to be started again"
            )

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
                case _Call(work, done):
                    await _answer(work, done)

    async def _ended(self, slot: _Slot, reason: ExitReason) -> None:
        child = slot.child
        slot.state = _State.DOWN
        if reason.abnormal:
            self._report.crashed(child, reason)
        if should_restart(child.restart, reason):
            await self._schedule(slot, reason)
            return
        child.close(Status.STOPPED, f"it ended with reason {reason.kind}")
        self._report.terminated(child, reason)
        if child.restart is RestartType.TEMPORARY:
            self._remove(slot)

    async def _schedule(self, slot: _Slot, reason: ExitReason) -> None:
        """Count a restart, stop who shares its fate, and set the timer; or give up."""
        wait = self._budget.spend(slot.child.name, self._host.clock.now())
        if wait is None:
            await self._give_up(slot, reason)
            return
        slot.state = _State.PENDING
        slot.child.wait_for_restart()
        for sibling in reversed(self._group(slot)):
            sibling.cancel_timer()
            sibling.cause = reason
            if sibling is not slot:
                await self._stop_for_restart(sibling)
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
                self._report.crashed(each.child, reason)
                await self._schedule(each, reason)
                return
            each.child.restarts += 1
            self._report.restarted(each.child, each.cause)

    async def _give_up(self, slot: _Slot, reason: ExitReason) -> None:
        error = SupervisorGaveUp(self.name, slot.child.name, str(self.spec.limits), str(reason))
        self._report.gave_up(error, reason)
        await self._stop_children()
        self.close(Status.TERMINATED, f"its supervisor {self.name!r} gave up")
        self.gave_up = error
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(ExitReason(ExitKind.SHUTDOWN, Failure.of(error)))

    # The children.

    def _make(self, spec: ChildSpec) -> Child:
        match spec:
            case Supervisor():
                return SupervisorProcess(spec, self._host, self)
            case DynamicSupervisor():
                return DynamicSupervisorProcess(
                    spec.name, spec.limits, spec.restart, spec.max_children, self._host, self
                )
            case ConversationPool():
                return ConversationPoolProcess(spec, self._host, self)
            case _:
                return self._host.place(spec, self, spec.name)

    def _reset_slots(self) -> None:
        """The children of the spec, no more and no fewer: a supervisor that is started again starts from there."""
        known = {slot.child.name: slot for slot in self._slots}
        self._slots = [
            known.pop(child.name) if child.name in known else _Slot(self._make(child))
            for child in self.spec.children
        ]
        for slot in known.values():
            slot.child.discard()
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
            self._report.started(slot.child)

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
        slot.child.discard()


async def _answer(work: Callable[[], Awaitable[None]], done: asyncio.Future[None]) -> None:
    try:
        await work()
    except Exception as error:
        if not done.done():
            done.set_exception(error)
    except BaseException:
        done.cancel()
        raise
    else:
        if not done.done():
            done.set_result(None)
