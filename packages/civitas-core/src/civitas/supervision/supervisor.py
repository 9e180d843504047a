"""A running supervisor: the one place where the decisions of `civitas.supervision.policy` have effects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from civitas.errors import ConfigurationError, StartFailed, SupervisionError, SupervisorGaveUp
from civitas.process import SHUTDOWN, ExitKind, ExitReason, Failure, RestartType, Status
from civitas.supervision.budget import RestartBudget
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.dynamic import DynamicSupervisorProcess
from civitas.supervision.policy import RestartStrategy, affected, should_restart
from civitas.supervision.pool import ConversationPoolProcess
from civitas.supervision.report import Reporter
from civitas.supervision.slot import Adding, Due, Ended, Slot, SlotState
from civitas.supervision.spec import (
    ChildSpec,
    ConversationPool,
    DynamicSupervisor,
    Supervisor,
    check_child,
)
from civitas.supervision.startup import Call, Result, StartUp, StartUps

__all__ = ["SupervisorProcess"]

logger = logging.getLogger("civitas")


class SupervisorProcess:
    """A running supervisor. It is a child of its own supervisor, as an agent is.

    One task takes what happens one at a time, as an OTP supervisor does. A wait before a restart is a timer, and the
    restart itself a task beside this one, so that the other children are served meanwhile. `stop` cancels them all
    whatever they are doing, then stops the children; so a child that is slow to start never delays a shutdown.

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
        # By name, in start order.
        self._slots: dict[str, Slot] = {}
        self._budget = RestartBudget(spec.limits)
        self._inbox: asyncio.Queue[Ended | Due | Call | StartUp] = asyncio.Queue()
        self._starts = StartUps(spec.name, self._start_in_turn, self._take)
        self._task: asyncio.Task[None] | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None
        host.join(self)
        try:
            for child in spec.children:
                self._slots[child.name] = self._make(child)
        except ConfigurationError:
            self.discard()
            raise

    @property
    def restart(self) -> RestartType:
        """When its own supervisor starts it again."""
        return self.spec.restart

    available = True
    """Whether it can be started now: it runs where the root does."""

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it can be started."""
        callback()

    @property
    def children(self) -> list[Child]:
        """The children there are now, in start order."""
        return [slot.child for slot in self._slots.values()]

    # As a child.

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start the children left to right, each ready before the next."""
        self.status = Status.STARTING
        self.gave_up = None
        self._inbox = asyncio.Queue()
        self._budget = RestartBudget(self.spec.limits)
        try:
            self._reset_slots()
            for slot in self._slots.values():
                await self._start(slot)
        except BaseException as error:
            # What waits for the children is not refused yet: its own supervisor may try again.
            await self._stop_children()
            self.status = Status.TERMINATED
            if isinstance(error, StartFailed):
                self._report.start_failed(error)
            raise
        self._on_exit = on_exit
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"civitas:{self.name}"
        )
        self.status = Status.RUNNING

    async def stop(self, why: str = "") -> None:
        """Stop the children right to left, each within its shutdown timeout."""
        self._on_exit = None
        self.status = Status.STOPPING
        if (task := self._task) is not None:
            if not task.cancelling():
                task.cancel()
            await asyncio.wait({task})
            self._task = None
        # Also where an earlier stop was cut short behind the task.
        await self._starts.end_all(self._not_running)
        self._empty_inbox()
        await self._stop_children(why)

    def _empty_inbox(self) -> None:
        """What came in the very moment of a stop is answered by the stop; a crash is still told."""
        while not self._inbox.empty():
            match self._inbox.get_nowait():
                case Ended(slot, generation, reason) if (
                    reason.abnormal and slot.generation == generation
                ):
                    self._report.crashed(slot.child, reason)
                case Call(done=done) if not done.done():
                    done.set_exception(self._not_running())

    def wait_for_restart(self) -> None:
        """Let messages for everything below wait for the restart."""
        self.status = Status.RESTARTING
        for slot in self._slots.values():
            slot.child.wait_for_restart()

    def close(self, status: Status, why: str) -> None:
        """Refuse what is sent to anything below."""
        self.status = status
        for slot in self._slots.values():
            slot.child.close(Status.TERMINATED, why)

    def discard(self) -> None:
        """Forget its name and all names below it."""
        for slot in self._slots.values():
            slot.child.discard()
        self._host.leave(self)

    # Child administration: OTP's calls of the same names.

    async def start_child(self, spec: ChildSpec) -> None:
        """Add a child at the end and start it."""
        check_child(spec, f"Supervisor({self.name!r}): ")
        adding = Adding(spec)
        try:
            await self._call(spec.name, lambda: self._start_child(adding))
        except asyncio.CancelledError:
            adding.give_up()
            if self.status is Status.RUNNING:  # else it ends with its supervisor
                undone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                undone.add_done_callback(lambda undone: undone.exception())
                self._inbox.put_nowait(Call(lambda: self._take_back(adding), undone, spec.name))
                await asyncio.wait({undone})
            raise

    async def terminate_child(self, name: str) -> None:
        """Stop a child and keep its spec; a temporary child is forgotten."""
        await self._call(name, lambda: self._terminate_child(name), ends_start=True)

    async def restart_child(self, name: str) -> None:
        """Start a child that was stopped or has ended."""
        await self._call(name, lambda: self._restart_child(name))

    async def delete_child(self, name: str) -> None:
        """Forget a child that does not run."""
        await self._call(name, lambda: self._delete_child(name))

    async def recycle(self, name: str) -> None:
        """Stop a child and start it again; what waits in its mailbox waits for that."""
        await self._call(name, lambda: self._recycle(name), ends_start=True)

    async def _call(
        self, name: str, work: Callable[[], Awaitable[StartUp | None]], *, ends_start: bool = False
    ) -> None:
        """Let the supervisor's own task do it, so that nothing else of its doing is half done."""
        if self.status is not Status.RUNNING:
            raise self._not_running()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(Call(work, done, name, ends_start))
        await done

    def _not_running(self) -> SupervisionError:
        down = self.status in (Status.STOPPED, Status.TERMINATED)
        cure = "start it first" if down else "try again"
        return SupervisionError("restarting", f"supervisor {self.name!r} is {self.status}; {cure}")

    async def _start_child(self, adding: Adding) -> StartUp | None:
        if adding.given_up:
            return None
        spec = adding.spec
        there = self._slots.get(spec.name)
        if there is not None:
            if there.state is SlotState.UP:
                raise SupervisionError(
                    "already_started", f"{spec.name!r} runs under {self.name!r} already"
                )
            raise SupervisionError(
                "already_present",
                f"{spec.name!r} is a child of {self.name!r} that does not run; "
                "use restart_child or delete_child",
            )
        try:
            slot = self._make(spec)
        except ConfigurationError as error:
            raise SupervisionError("already_started", str(error)) from error
        self._slots[spec.name] = adding.slot = slot
        startup = self._starts.begin([slot], partial(self._added, adding), may_end=False)
        adding.starting = startup.task
        return startup

    async def _added(self, adding: Adding, result: Result) -> Exception | None:
        if result is None:
            return None
        slot, error = result
        # A start that was given up may have been cut short in its own cleaning up.
        await slot.child.stop()
        slot.child.close(Status.TERMINATED, "it did not start")
        self._remove(slot)
        return None if adding.given_up else error

    async def _take_back(self, adding: Adding) -> None:
        slot = adding.slot
        if slot is None or self._slots.get(slot.child.name) is not slot:
            return
        await self._terminate_child(slot.child.name)
        if self._slots.get(slot.child.name) is slot:
            self._remove(slot)

    async def _terminate_child(self, name: str) -> None:
        slot = self._slot(name)
        # Who was stopped to be started again with it stays down, too: nobody would start it any more.
        ending = self._group(slot) if slot.due is not None else [slot]
        slot.cancel()
        for each in ending:
            if each is slot or each.state is SlotState.PENDING:
                await self._end(each)

    async def _end(self, slot: Slot) -> None:
        was_down, slot.state = slot.state is SlotState.DOWN, SlotState.DOWN
        await slot.child.stop("it was stopped")
        slot.child.close(Status.STOPPED, "it was stopped")
        if not was_down:
            self._report.terminated(slot.child, SHUTDOWN)
        if slot.child.restart is RestartType.TEMPORARY:
            self._remove(slot)

    async def _restart_child(self, name: str) -> StartUp:
        slot = self._slot(name)
        self._check_down(slot)
        slot.cause = None
        return self._starts.begin([slot], self._restarted_by_hand, may_end=False)

    async def _restarted_by_hand(self, result: Result) -> Exception | None:
        if result is None:
            return None
        slot, error = result
        slot.child.close(Status.STOPPED, "it did not start")
        return error

    async def _recycle(self, name: str) -> StartUp:
        slot = self._slot(name)
        waited = slot.due is not None
        slot.cancel()
        slot.cause = None
        if waited:
            return await self._restart(slot)  # and who was to be started with it
        slot.state = SlotState.PENDING
        await slot.child.stop()
        slot.child.wait_for_restart()
        return self._starts.begin([slot], self._restarted, may_end=True)

    async def _delete_child(self, name: str) -> None:
        slot = self._slot(name)
        self._check_down(slot)
        self._remove(slot)

    def _slot(self, name: str) -> Slot:
        slot = self._slots.get(name)
        if slot is None:
            raise SupervisionError("not_found", f"{self.name!r} has no child {name!r}")
        return slot

    def _check_down(self, slot: Slot) -> None:
        if slot.state is SlotState.UP:
            raise SupervisionError("running", f"{slot.child.name!r} runs; terminate_child first")
        if slot.state is SlotState.PENDING:
            raise SupervisionError(
                "restarting", f"{slot.child.name!r} is about to be started again"
            )

    # The loop.

    async def _run(self) -> None:
        try:
            while self.gave_up is None:
                await self._next()
                # A queue that holds something does not suspend its reader.
                if self._host.turns.long:
                    await asyncio.sleep(0)
        except Exception as error:
            # A fault of a clock or of ours. Its own supervisor answers that as any crash; nothing waits for ever.
            logger.exception("supervisor %r crashed", self.name)
            await self._exit(ExitReason.crashed(error), f"its supervisor {self.name!r} crashed")

    async def _next(self) -> None:
        match await self._inbox.get():
            case Ended(slot, generation, reason) if slot.generation == generation:
                if slot.state is SlotState.UP:
                    await self._ended(slot, reason)
                elif reason.abnormal:
                    # It crashed in the moment in which it was to be stopped for a sibling.
                    self._report.crashed(slot.child, reason)
            case Due(slot) as due if slot.due is due:
                away = [each.child for each in self._group(slot) if not each.child.available]
                if due.tried or not away:
                    await self._restart(slot)
                else:  # their OS processes are on their way; the others are served meanwhile
                    slot.due = again = Due(slot, tried=True)
                    self._when_available(away, again)
            case StartUp() as over:
                self._resume(await self._starts.settle(over))
            case Call() as call:
                await self._answer(call)

    def _when_available(self, away: list[Child], due: Due) -> None:
        """Put `due` into the inbox when the OS process of each of these is there, or has failed to start."""
        missing = len(away)

        def one_is() -> None:
            nonlocal missing
            missing -= 1
            if not missing:
                self._inbox.put_nowait(due)

        for child in away:
            child.when_available(one_is)

    async def _ended(self, slot: Slot, reason: ExitReason) -> None:
        child = slot.child
        slot.state = SlotState.DOWN
        if reason.abnormal:
            self._report.crashed(child, reason)
        if should_restart(child.restart, reason):
            await self._schedule(slot, reason)
            return
        child.close(Status.STOPPED, f"it ended with reason {reason.kind}")
        self._report.terminated(child, reason)
        if child.restart is RestartType.TEMPORARY:
            self._remove(slot)

    async def _schedule(self, slot: Slot, reason: ExitReason) -> None:
        """Count a restart, stop who shares its fate, and set the timer; or give up."""
        wait = self._budget.spend(slot.child.name, self._host.clock.now(), reason.incident)
        if wait is None:
            await self._give_up(slot, reason)
            return
        slot.state = SlotState.PENDING
        self._resume(await self._starts.make_way(self._group(slot)))
        if self.gave_up is not None:
            return  # for a start of the group that had failed as well
        slot.child.wait_for_restart()
        for sibling in reversed(self._group(slot)):
            sibling.cancel()
            sibling.cause = reason
            if sibling is not slot:
                await self._stop_for_restart(sibling)
        slot.due = due = Due(slot)
        if wait:
            slot.timer = self._host.clock.call_later(wait, lambda: self._inbox.put_nowait(due))
        else:
            self._inbox.put_nowait(due)

    async def _stop_for_restart(self, sibling: Slot) -> None:
        was_up, sibling.state = sibling.state is SlotState.UP, SlotState.PENDING
        if was_up:
            await sibling.child.stop()
        if sibling.child.restart is RestartType.TEMPORARY:
            sibling.child.close(
                Status.STOPPED, f"{self.name!r} restarts a group and it is temporary"
            )
            self._remove(sibling)
        else:
            sibling.child.wait_for_restart()

    async def _restart(self, slot: Slot) -> StartUp:
        """Begin to start `slot` and who was stopped with it, left to right."""
        # One of them may be about to start meanwhile, by hand or for a sibling of its own.
        self._resume(await self._starts.make_way(self._group(slot)))
        group = self._group(slot)
        for each in reversed(group):
            if (
                each.state is SlotState.UP
            ):  # it was added, or started by hand, while the others waited
                each.cause = slot.cause
                await self._stop_for_restart(each)
        return self._starts.begin(self._group(slot), self._restarted, may_end=True)

    async def _restarted(self, result: Result) -> Exception | None:
        """A restart is over; who did not start is tried again after a wait."""
        if result is None:
            return None
        slot, error = result
        if isinstance(error, StartFailed):
            reason = ExitReason.crashed(error.cause, incident=error.incident)
            slot.child.status = Status.RESTARTING
            self._report.crashed(slot.child, reason)
            await self._schedule(slot, reason)
        return error

    async def _give_up(self, slot: Slot, reason: ExitReason) -> None:
        self.gave_up = error = SupervisorGaveUp(
            self.name, slot.child.name, str(self.spec.limits), str(reason)
        )
        self.status = Status.STOPPING
        slot.child.status = Status.TERMINATED
        self._report.gave_up(error, reason)
        await self._exit(
            ExitReason(ExitKind.SHUTDOWN, Failure.of(error)),
            f"its supervisor {self.name!r} gave up",
        )

    async def _exit(self, reason: ExitReason, why: str) -> None:
        """End by itself: nobody below it runs, and nobody waits for it."""
        await self._starts.end_all(self._not_running)
        # Those that are down first: a child that still runs may be waiting for an answer of one, and could not end.
        for slot in self._slots.values():
            if slot.state is not SlotState.UP:
                slot.child.close(Status.TERMINATED, why)
        await self._stop_children(why)
        self.close(Status.TERMINATED, why)
        self._empty_inbox()
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(reason)

    # The children.

    def _make(self, spec: ChildSpec) -> Slot:
        child: Child
        match spec:
            case Supervisor():
                child = SupervisorProcess(spec, self._host, self)
            case DynamicSupervisor():
                child = DynamicSupervisorProcess(
                    spec.name, spec.limits, spec.restart, spec.max_children, self._host, self
                )
            case ConversationPool():
                child = ConversationPoolProcess(spec, self._host, self)
            case _:
                child = self._host.place(spec, self, spec.name)
        return Slot(child, spec)

    def _reset_slots(self) -> None:
        """The children of the spec, no more and no fewer: a supervisor that is started again starts from there."""
        wanted = {id(spec) for spec in self.spec.children}
        for slot in list(self._slots.values()):
            slot.cancel()
            slot.cause = None
            if id(slot.spec) not in wanted:
                slot.child.close(
                    Status.TERMINATED, f"its supervisor {self.name!r} was started again without it"
                )
                self._remove(slot)
        kept, self._slots = self._slots, {}
        for spec in self.spec.children:
            try:
                there = spec.name in kept
                self._slots[spec.name] = kept.pop(spec.name) if there else self._make(spec)
            except ConfigurationError as error:
                # What was kept and not looked at yet is still to be forgotten one day.
                self._slots |= kept
                raise StartFailed(spec.name, error) from error

    def _group(self, slot: Slot) -> list[Slot]:
        if self.spec.strategy is RestartStrategy.ONE_FOR_ONE:
            return [slot]  # a restart must not take longer with a thousand siblings
        names = affected(self.spec.strategy, list(self._slots), slot.child.name)
        return [self._slots[name] for name in names]

    async def _start_in_turn(self, slot: Slot) -> None:
        await self._host.turns.give_way()
        await self._start(slot)

    async def _start(self, slot: Slot) -> None:
        slot.generation += 1
        generation = slot.generation

        def on_exit(reason: ExitReason) -> None:
            slot.has_ended(reason)
            self._inbox.put_nowait(Ended(slot, generation, reason))

        await slot.child.start(on_exit)
        slot.state = SlotState.UP
        cause, slot.cause = slot.cause, None
        if generation == 1:
            self._report.started(slot.child)
        else:
            slot.child.restarts += 1
            self._report.restarted(slot.child, cause)

    async def _stop_children(self, why: str = "") -> None:
        for slot in reversed(self._slots.values()):
            slot.cancel()
            slot.state = SlotState.DOWN
            await slot.child.stop(why)
            if why:  # who stops after it may ask it a last thing, and is told
                slot.child.close(Status.TERMINATED, why)

    def _remove(self, slot: Slot) -> None:
        slot.cancel()
        del self._slots[slot.child.name]
        slot.child.discard()

    async def _answer(self, call: Call) -> None:
        """Do what a call asks for, unless it is to wait for a start of its child that is under way."""
        slot, done = self._slots.get(call.name), call.done
        startup = self._starts.by_hand or self._starts.of(slot)
        try:
            if startup is not None:
                ends = call.ends_start and startup.may_end and len(startup.group) == 1
                if not ends and not startup.task.done():
                    startup.later.append(call)
                    return
            if startup is not None and slot is not None:
                was_up = slot.state is SlotState.UP
                self._resume(await self._starts.make_way([slot]))
                if ends and not was_up and slot.state is SlotState.PENDING and slot.due is None:
                    slot.due = Due(slot)  # as if its wait were not over
            begun = await call.work()
        except Exception as error:
            if not done.done():
                done.set_exception(error)
        except BaseException:
            if not done.done():
                done.set_exception(self._not_running())
            raise
        else:
            if begun is not None:
                begun.done = done
            elif not done.done():
                done.set_result(None)

    def _take(self, over: StartUp) -> None:
        self._inbox.put_nowait(over)

    def _resume(self, calls: list[Call]) -> None:
        """Take the calls that waited for a start."""
        for call in calls:
            if self.gave_up is None:
                self._inbox.put_nowait(call)
            elif not call.done.done():
                # What followed the start ended this supervisor, and nobody takes it any more.
                call.done.set_exception(self._not_running())
