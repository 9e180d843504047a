"""A running supervisor: the one place where the decisions of `civitas.supervision.policy` have effects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from civitas.budgets import Budget
from civitas.errors import ConfigurationError, StartFailed, SupervisionError, SupervisorGaveUp
from civitas.process import ChildKind, ExitKind, ExitReason, PlainError, RestartType, Status
from civitas.supervision.by_hand import ByHand
from civitas.supervision.child import Child, Host, Parent
from civitas.supervision.children import Children
from civitas.supervision.dynamic import DynamicSupervisorProcess
from civitas.supervision.pool import ConversationPoolProcess
from civitas.supervision.report import Reporter
from civitas.supervision.restarts import Rest, Restarts, all_of
from civitas.supervision.slot import Adding, Due, Ended, Slot, SlotState, dues_of
from civitas.supervision.spec import (
    ChildSpec,
    ConversationPool,
    DynamicSupervisor,
    Supervisor,
    check_child,
)
from civitas.supervision.startup import Call, StartUp, StartUps
from civitas.supervision.work_list import WorkList

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

    kind = ChildKind.SUPERVISOR

    def __init__(self, spec: Supervisor, host: Host, parent: Parent | None = None) -> None:
        self.name = spec.name
        self.spec = spec
        self.parent = parent
        self.status = Status.STARTING
        self.restarts = 0
        self.gave_up: SupervisorGaveUp | None = None
        self._host = host
        self._report = Reporter(spec.name, host)
        self._to_do: WorkList[Ended | Due | Call | StartUp | Rest] = WorkList()
        self._children = Children(spec, self._make, self._ended, self._to_do, self._report)
        self._starts = StartUps(spec.name, host.turns, self._children, self._to_do.put)
        self._restarts = Restarts(
            spec,
            host,
            self._children,
            self._starts,
            self._report,
            to_do=self._to_do,
            resume=self._resume,
            give_up=self._give_up,
        )
        self._by_hand = ByHand(
            spec.name, self._children, self._starts, self._restarts, self._report
        )
        self._task: asyncio.Task[None] | None = None
        self._on_exit: Callable[[ExitReason], None] | None = None
        host.join(self)
        try:
            for child in spec.children:
                self._children.add(child)
        except ConfigurationError:
            self.discard()
            raise

    @property
    def restart(self) -> RestartType:
        """When its own supervisor starts it again."""
        return self.spec.restart

    @property
    def budget(self) -> Budget | None:
        """What all below it may spend together."""
        return self.spec.budget

    available = True
    """Whether it can be started now: it runs where the root does."""

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it can be started."""
        callback()

    @property
    def children(self) -> list[Child]:
        """The children there are now, in start order."""
        return [slot.child for slot in self._children]

    def dues(self) -> dict[str, float]:
        """When children that crashed are started again, by their names."""
        return dues_of(self._children)

    def restarts_left(self, name: str = "") -> int:
        """How many more restarts it may make, of the child `name` among others."""
        return self._restarts.left

    # As a child.

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start the children left to right, each ready before the next."""
        self.status = Status.STARTING
        self.gave_up = None
        self._to_do.clear()
        self._restarts.reset()
        try:
            self._children.reset()
            for slot in self._children:
                await self._children.start(slot)
        except BaseException as error:
            # What waits for the children is not refused yet: its own supervisor may try again.
            await self._children.stop_all()
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
        self._empty()
        await self._children.stop_all(why)

    def _empty(self) -> None:
        """What came in the very moment of a stop is answered by the stop; a crash is still told."""
        while self._to_do:
            match self._to_do.popleft():
                case Ended(slot, generation, reason) if (
                    reason.abnormal and slot.generation == generation
                ):
                    self._report.crashed(slot.child, reason)
                case Call(done=done) if not done.done():
                    done.set_exception(self._not_running())

    def refuse_asks(self, why: str) -> None:
        """Refuse the asks that wait in any mailbox below; it is about to be stopped."""
        self._children.refuse_asks(why)

    def wait_for_restart(self) -> None:
        """Let messages for everything below wait for the restart."""
        self.status = Status.RESTARTING
        self._children.wait_for_restart()

    def close(self, status: Status, why: str) -> None:
        """Refuse what is sent to anything below."""
        self.status = status
        self._children.close(why)

    def discard(self) -> None:
        """Forget its name and all names below it."""
        self._children.discard()
        self._host.leave(self)

    # Child administration: OTP's calls of the same names.

    async def start_child(self, spec: ChildSpec) -> None:
        """Add a child at the end and start it."""
        check_child(spec, f"Supervisor({self.name!r}): ")
        adding = Adding(spec)
        try:
            await self._call(spec.name, lambda: self._by_hand.start_child(adding))
        except asyncio.CancelledError:
            adding.give_up()
            if self.status is Status.RUNNING:  # else it ends with its supervisor
                undone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                undone.add_done_callback(lambda undone: undone.exception())
                self._to_do.put(Call(lambda: self._by_hand.take_back(adding), undone, spec.name))
                await asyncio.wait({undone})
            raise

    async def terminate_child(self, name: str) -> None:
        """Stop a child and keep its spec; a temporary child is forgotten."""
        await self._call(name, lambda: self._by_hand.terminate_child(name), ends_start=True)

    async def restart_child(self, name: str) -> None:
        """Start a child that was stopped or has ended."""
        await self._call(name, lambda: self._by_hand.restart_child(name))

    async def delete_child(self, name: str) -> None:
        """Forget a child that does not run."""
        await self._call(name, lambda: self._by_hand.delete_child(name))

    async def recycle(self, name: str) -> None:
        """Stop a child and start it again; what waits in its mailbox waits for that."""
        await self._call(name, lambda: self._by_hand.recycle(name), ends_start=True)

    async def _call(
        self, name: str, work: Callable[[], Awaitable[StartUp | None]], *, ends_start: bool = False
    ) -> None:
        """Let the supervisor's own task do it, so that nothing else of its doing is half done."""
        if self.status is not Status.RUNNING:
            raise self._not_running()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._to_do.put(Call(work, done, name, ends_start))
        await done

    def _not_running(self) -> SupervisionError:
        down = self.status in (Status.STOPPED, Status.TERMINATED)
        cure = "start it first" if down else "try again"
        return SupervisionError("restarting", f"supervisor {self.name!r} is {self.status}; {cure}")

    # The loop.

    async def _run(self) -> None:
        try:
            while self.gave_up is None:
                if not self._to_do:
                    await self._to_do.filled()
                await self._do(self._to_do.popleft())
                # A list that holds something does not suspend its reader.
                if self._to_do and self._host.turns.long:
                    await asyncio.sleep(0)
        except Exception as error:
            # A fault of a clock or of ours. Its own supervisor answers that as any crash; nothing waits for ever.
            logger.exception("supervisor %r crashed", self.name)
            await self._exit(ExitReason.crashed(error), f"its supervisor {self.name!r} crashed")

    def _ended(self, what: Ended) -> None:
        """A child has ended: answer that here and now if nothing has to be waited for, otherwise in the task."""
        slot = what.slot
        if (
            self._to_do.idle is None
            or self._to_do.idle.done()
            or slot.state is not SlotState.UP
            or slot.generation != what.generation
            or self._host.turns.long
        ):
            self._to_do.put(what)
            return
        try:
            rest = self._restarts.ended(slot, what.reason)
        except Exception as error:
            rest = partial(_raises, error)
        if rest is not None:
            self._to_do.put(rest)

    async def _do(self, what: Ended | Due | Call | StartUp | Rest) -> None:
        match what:
            case Ended(slot, generation, reason) if slot.generation == generation:
                if slot.state is SlotState.UP:
                    rest = self._restarts.ended(slot, reason)
                    if rest is not None:
                        await rest()
                elif reason.abnormal:
                    # It crashed in the moment in which it was to be stopped for a sibling.
                    self._report.crashed(slot.child, reason)
            case Due() as due:
                await all_of(self._restarts.take(due))
            case StartUp() as over:
                self._resume(await self._starts.settle(over))
            case Call() as call:
                await self._answer(call)
            case rest if callable(rest):
                await rest()

    async def _give_up(self, slot: Slot, reason: ExitReason) -> None:
        self.gave_up = error = SupervisorGaveUp(
            self.name, slot.child.name, str(self.spec.limits), str(reason)
        )
        self.status = Status.STOPPING
        slot.child.status = Status.TERMINATED
        self._report.gave_up(error, reason)
        await self._exit(
            ExitReason(ExitKind.SHUTDOWN, PlainError.of(error)),
            f"its supervisor {self.name!r} gave up",
        )

    async def _exit(self, reason: ExitReason, why: str) -> None:
        """End by itself: nobody below it runs, and nobody waits for it."""
        if self.parent is None:
            self._host.system_ends(why)
        self._children.refuse_asks(why)
        await self._starts.end_all(self._not_running)
        # Those that are down first: a child that still runs may be waiting for an answer of one, and could not end.
        for slot in self._children:
            if slot.state is not SlotState.UP:
                slot.child.close(Status.TERMINATED, why)
        await self._children.stop_all(why)
        self.close(Status.TERMINATED, why)
        self._empty()
        on_exit, self._on_exit = self._on_exit, None
        if on_exit is not None:
            on_exit(reason)

    def _make(self, spec: ChildSpec) -> Child:
        match spec:
            case Supervisor():
                return SupervisorProcess(spec, self._host, self)
            case DynamicSupervisor():
                dynamic = DynamicSupervisorProcess(
                    spec.name, spec.limits, spec.restart, spec.max_children, self._host, self
                )
                dynamic.budget = spec.budget
                return dynamic
            case ConversationPool():
                return ConversationPoolProcess(spec, self._host, self)
            case _:
                return self._host.place(spec, self, spec.name)

    # Calls.

    async def _answer(self, call: Call) -> None:
        """Do what a call asks for, unless it is to wait for a start of its child that is under way."""
        slot, done = self._children.get(call.name), call.done
        startup = self._starts.by_hand or (self._starts.of.get(slot) if slot is not None else None)
        try:
            if startup is not None:
                ends = call.ends_start and startup.may_end and len(startup.group) == 1
                if not ends and not startup.is_over:
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

    def _resume(self, calls: list[Call]) -> None:
        """Take the calls that waited for a start."""
        for call in calls:
            if self.gave_up is None:
                self._to_do.put(call)
            elif not call.done.done():
                # What followed the start ended this supervisor, and nobody takes it any more.
                call.done.set_exception(self._not_running())


async def _raises(error: Exception) -> None:
    raise error
