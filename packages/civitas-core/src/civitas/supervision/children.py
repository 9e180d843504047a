"""The children of a supervisor, in start order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from civitas.errors import ConfigurationError, StartFailed, SupervisionError
from civitas.process import Cell, ExitReason, Status
from civitas.supervision.child import Child
from civitas.supervision.policy import RestartStrategy, affected, status_after
from civitas.supervision.report import Reporter
from civitas.supervision.slot import Ended, Slot, SlotState
from civitas.supervision.spec import ChildSpec, Supervisor
from civitas.supervision.work_list import WorkList

__all__ = ["Children"]


class Children:
    """The children of one supervisor, in start order: making, starting, stopping and forgetting them.

    Args:
        spec: What the user wrote down.
        make: Makes a child.
        ended: Called when an agent of this OS process ended by itself.
        to_do: Is told of the others that did.
        report: Says what happened to them.
    """

    def __init__(
        self,
        spec: Supervisor,
        make: Callable[[ChildSpec], Child],
        ended: Callable[[Ended], None],
        to_do: WorkList[Any],
        report: Reporter,
    ) -> None:
        self._spec = spec
        self._make_child = make
        self._ended = ended
        self._to_do = to_do
        self._report = report
        self._slots: dict[str, Slot] = {}

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def __reversed__(self) -> Iterator[Slot]:
        return reversed(self._slots.values())

    def get(self, name: str) -> Slot | None:
        """The one of that name, or None."""
        return self._slots.get(name)

    def find(self, name: str) -> Slot:
        """The one of that name; `SupervisionError` if there is none."""
        slot = self._slots.get(name)
        if slot is None:
            raise SupervisionError("not_found", f"{self._spec.name!r} has no child {name!r}")
        return slot

    def has(self, slot: Slot) -> bool:
        """Whether `slot` is still that of its name."""
        return self._slots.get(slot.child.name) is slot

    def group(self, slot: Slot) -> list[Slot]:
        """Who shares the fate of a child, itself among them, in start order."""
        if self._spec.strategy is RestartStrategy.ONE_FOR_ONE:
            return [slot]  # a restart must not take longer with a thousand siblings
        names = affected(self._spec.strategy, list(self._slots), slot.child.name)
        return [self._slots[name] for name in names]

    def add(self, spec: ChildSpec) -> Slot:
        """Make room for a child at the end.

        Raises:
            ConfigurationError: The name is taken.
        """
        slot = self._slots[spec.name] = Slot(self._make_child(spec), spec)
        return slot

    def remove(self, slot: Slot) -> None:
        """Forget a child and its name."""
        slot.cancel()
        del self._slots[slot.child.name]
        slot.child.discard()

    def reset(self) -> None:
        """The children of the spec, no more and no fewer: a supervisor that is started again starts from there.

        Raises:
            StartFailed: A name is taken meanwhile.
        """
        wanted = {id(spec) for spec in self._spec.children}
        for slot in list(self):
            slot.cancel()
            slot.cause = None
            if id(slot.spec) not in wanted:
                owner = self._spec.name
                slot.child.close(
                    Status.TERMINATED, f"its supervisor {owner!r} was started again without it"
                )
                self.remove(slot)
        kept, self._slots = self._slots, {}
        for spec in self._spec.children:
            try:
                if spec.name in kept:
                    self._slots[spec.name] = kept.pop(spec.name)
                else:
                    self.add(spec)
            except ConfigurationError as error:
                # What was kept and not looked at yet is still to be forgotten one day.
                self._slots |= kept
                raise StartFailed(spec.name, error) from error

    async def start(self, slot: Slot) -> None:
        """Start one, and say that it started.

        Raises:
            StartFailed: It did not start.
        """
        slot.generation += 1
        await slot.child.start(partial(self._has_exited, slot, slot.generation))
        self._is_up(slot)

    def begin(self, slot: Slot, here: Cell) -> asyncio.Future[None]:
        """Begin to start one; `begun` or `is_ready` does the rest, as `Cell.begin` says."""
        slot.generation += 1
        return here.begin()

    async def begun(self, slot: Slot, here: Cell, started: asyncio.Future[None]) -> None:
        """Wait for one that began to start, and say that it started.

        Raises:
            StartFailed: It did not start.
        """
        await here.begun(started, partial(self._has_exited, slot, slot.generation))
        self._is_up(slot)

    def is_ready(self, slot: Slot, here: Cell, started: asyncio.Future[None]) -> None:
        """Say that one has started that began to."""
        here.is_ready(started, partial(self._has_exited, slot, slot.generation))
        self._is_up(slot)

    def _has_exited(self, slot: Slot, generation: int, reason: ExitReason) -> None:
        # At once: others may be told of something before the supervisor answers that.
        slot.child.status = status_after(slot.child.restart, reason)
        ended = Ended(slot, generation, reason)
        if slot.here is None:
            self._to_do.put(ended)
        else:
            self._ended(ended)

    def _is_up(self, slot: Slot) -> None:
        slot.state, slot.resumes = SlotState.UP, None
        cause, slot.cause = slot.cause, None
        if slot.generation == 1:
            self._report.started(slot.child)
        else:
            slot.child.restarts += 1
            self._report.restarted(slot.child, cause)

    async def stop_all(self, why: str = "") -> None:
        """Stop them right to left, each within its shutdown timeout.

        Args:
            why: If none is started again: what is sent to each is refused with that from its end on.
        """
        for slot in reversed(self):
            slot.cancel()
            slot.state = SlotState.DOWN
            await slot.child.stop(why)
            if why:  # who stops after it may ask it a last thing, and is told
                slot.child.close(Status.TERMINATED, why)

    def refuse_asks(self, why: str) -> None:
        """Refuse the asks that wait in any mailbox below; it is about to be stopped."""
        for slot in self:
            slot.child.refuse_asks(why)

    def wait_for_restart(self) -> None:
        """Let messages for everything below wait for the restart."""
        for slot in self:
            slot.child.wait_for_restart()

    def close(self, why: str) -> None:
        """Refuse what is sent to anything below."""
        for slot in self:
            slot.child.close(Status.TERMINATED, why)

    def discard(self) -> None:
        """Forget all names below."""
        for slot in self:
            slot.child.discard()
