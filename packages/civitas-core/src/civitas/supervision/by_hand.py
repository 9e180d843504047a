"""What is asked of a supervisor by hand: OTP's child administration, in the supervisor's own task."""

from __future__ import annotations

from functools import partial

from civitas.errors import ConfigurationError, SupervisionError
from civitas.process import SHUTDOWN, RestartType, Status
from civitas.supervision.children import Children
from civitas.supervision.report import Reporter
from civitas.supervision.restarts import Restarts
from civitas.supervision.slot import Adding, Slot, SlotState
from civitas.supervision.startup import Result, StartUp, StartUps

__all__ = ["ByHand"]


class ByHand:
    """Adds, ends, starts and forgets the children of one supervisor when somebody asks for it.

    What begins a start returns that; whoever asked is answered when it is over.

    Args:
        name: Of the supervisor.
        children: Its children.
        starts: Their starts that are under way.
        restarts: Their restarts.
        report: Says what happened.
    """

    def __init__(
        self,
        name: str,
        children: Children,
        starts: StartUps,
        restarts: Restarts,
        report: Reporter,
    ) -> None:
        self._name = name
        self._children = children
        self._starts = starts
        self._restarts = restarts
        self._report = report

    async def start_child(self, adding: Adding) -> StartUp | None:
        """Add a child at the end and start it."""
        if adding.given_up:
            return None
        spec = adding.spec
        there = self._children.get(spec.name)
        if there is not None:
            if there.state is SlotState.UP:
                raise SupervisionError(
                    "already_started", f"{spec.name!r} already runs under {self._name!r}"
                )
            raise SupervisionError(
                "already_present",
                f"{spec.name!r} is a child of {self._name!r} that does not run; "
                "use restart_child or delete_child",
            )
        try:
            slot = adding.slot = self._children.add(spec)
        except ConfigurationError as error:
            raise SupervisionError("already_started", str(error)) from error
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
        self._children.remove(slot)
        return None if adding.given_up else error

    async def take_back(self, adding: Adding) -> None:
        """Undo what `start_child` did: nobody wants that child any more."""
        slot = adding.slot
        if slot is None or not self._children.has(slot):
            return
        await self.terminate_child(slot.child.name)
        if self._children.has(slot):
            self._children.remove(slot)

    async def terminate_child(self, name: str) -> None:
        """Stop a child and keep its spec; a temporary child is forgotten."""
        slot = self._children.find(name)
        # Who was stopped to be started again with it stays down, too: nobody would start it any more.
        ending = self._children.group(slot) if slot.due is not None else [slot]
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
            self._children.remove(slot)

    async def restart_child(self, name: str) -> StartUp:
        """Start a child that was stopped or has ended."""
        slot = self._find_down(name)
        slot.cause = None
        return self._starts.begin([slot], self._started, may_end=False)

    async def _started(self, result: Result) -> Exception | None:
        if result is None:
            return None
        slot, error = result
        slot.child.close(Status.STOPPED, "it did not start")
        return error

    async def recycle(self, name: str) -> StartUp:
        """Stop a child and start it again; what waits in its mailbox waits for that."""
        slot = self._children.find(name)
        waited = slot.due is not None
        slot.cancel()
        slot.cause = None
        if waited:
            return await self._restarts.begin(slot)  # and who was to be started with it
        slot.state = SlotState.PENDING
        await slot.child.stop()
        slot.child.wait_for_restart()
        return self._starts.begin([slot], self._restarts.started, may_end=True)

    async def delete_child(self, name: str) -> None:
        """Forget a child that does not run."""
        self._children.remove(self._find_down(name))

    def _find_down(self, name: str) -> Slot:
        slot = self._children.find(name)
        if slot.state is SlotState.UP:
            raise SupervisionError("running", f"{name!r} is running; call terminate_child first")
        if slot.state is SlotState.PENDING:
            raise SupervisionError("restarting", f"{name!r} is about to be started again")
        return slot
