"""Starts of children that a supervisor does not wait for: it serves the others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from civitas.errors import StartFailed, SupervisionError
from civitas.process import Turns
from civitas.supervision.slot import Slot

__all__ = ["Call", "Result", "StartUp", "StartUps"]

Result = tuple[Slot, Exception] | None
"""Who did not start, and why; None if all did."""


@dataclass(slots=True, eq=False)
class StartUp:
    """A start of one child, or of a group left to right.

    Attributes:
        group: Who is to be started.
        task: Starts them.
        finish: What to do when that is over, in the supervisor's own task; returns what to tell whoever asked for it.
        may_end: Whether the supervisor may end it for the sake of a sibling; a start that somebody asked for by hand
            is waited for.
        done: Whoever waits for it.
        later: Calls about one of the group, which wait until it is over.
    """

    group: list[Slot]
    task: asyncio.Task[Result]
    finish: Callable[[Result], Awaitable[Exception | None]]
    may_end: bool
    done: asyncio.Future[None] | None = None
    later: list[Call] = field(default_factory=list)

    def tell(self, error: Exception | None) -> None:
        """Answer whoever waits for it."""
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Somebody asked for a piece of child administration.

    Attributes:
        work: What to do.
        done: Whoever waits for it.
        name: The child that it is about.
        ends_start: Whether it need not wait for a start of the child that is under way.
    """

    work: Callable[[], Awaitable[StartUp | None]]
    done: asyncio.Future[None]
    name: str
    ends_start: bool = False


class StartUps:
    """The starts of one supervisor that are under way.

    Args:
        owner: Its name.
        turns: Knows when to give way to others.
        start: Starts one child.
        over: Called when one is over; the supervisor then calls `settle`.
    """

    def __init__(
        self,
        owner: str,
        turns: Turns,
        start: Callable[[Slot], Awaitable[None]],
        over: Callable[[StartUp], None],
    ) -> None:
        self._owner = owner
        self._turns = turns
        self._start = start
        self._over = over
        self.under_way: dict[StartUp, None] = {}
        """In the order they began; while it is empty there is nobody to make way for."""
        self._of: dict[Slot, StartUp] = {}
        """By the children that they start: a look through thousands of them would cost more than a start."""

    def begin(
        self,
        group: list[Slot],
        finish: Callable[[Result], Awaitable[Exception | None]],
        *,
        may_end: bool,
    ) -> StartUp:
        """Begin to start a group, left to right."""
        task = asyncio.get_running_loop().create_task(
            self._start_in_order(group), name=f"civitas:{self._owner}"
        )
        startup = StartUp(group, task, finish, may_end)
        task.add_done_callback(lambda _: self._over(startup))
        self.under_way[startup] = None
        for each in group:
            self._of[each] = startup
        return startup

    def _forget(self, startup: StartUp) -> None:
        del self.under_way[startup]
        for each in startup.group:
            if self._of.get(each) is startup:
                del self._of[each]

    async def _start_in_order(self, group: list[Slot]) -> Result:
        for each in group:
            each.due = None
            if each.timer is not None:
                each.cancel()
            try:
                if self._turns.long:
                    await self._turns.give_way()
                await self._start(each)
            except StartFailed as error:
                return each, error
        return None

    def of(self, slot: Slot | None) -> StartUp | None:
        """The one that a child is part of."""
        return self._of.get(slot) if slot is not None else None

    @property
    def by_hand(self) -> StartUp | None:
        """The one that somebody asked for; there is one at a time, as in OTP."""
        return next((each for each in self.under_way if not each.may_end), None)

    async def settle(self, startup: StartUp) -> list[Call]:
        """Do what follows when one is over; nothing if that was done, or it was ended.

        Returns:
            The calls that waited for it.
        """
        if startup not in self.under_way:
            return []
        self._forget(startup)
        result: Result
        if startup.task.cancelled():  # by whoever wanted it by hand, and gave up
            error = SupervisionError("restarting", "the start was abandoned")
            result = startup.group[-1], error
        else:
            result = startup.task.result()
        try:
            startup.tell(await startup.finish(result))
        except BaseException:  # the supervisor ends: `end_all` answers whoever waits
            self.under_way[startup] = None
            raise
        return startup.later

    async def make_way(self, group: Iterable[Slot]) -> list[Call]:
        """End those that a child of `group` is part of, as it is about to be stopped; wait for those by hand.

        Returns:
            The calls that waited for them.
        """
        over: list[StartUp] = []
        try:
            for startup in dict.fromkeys(self._of[each] for each in group if each in self._of):
                await self._make_way(startup)
                over.append(startup)
        except BaseException:  # the supervisor ends: `end_all` answers whoever waits
            self.under_way.update(dict.fromkeys(over))
            raise
        return [call for startup in over for call in startup.later]

    async def _make_way(self, startup: StartUp) -> None:
        ends = startup.may_end and not startup.task.done()
        if ends:
            startup.task.cancel()
        await asyncio.wait({startup.task})
        if not ends:
            await self.settle(startup)
            return
        self._forget(startup)
        if not startup.task.cancelled():
            startup.task.exception()  # it failed in that very moment, and is started again anyway
        startup.tell(SupervisionError("restarting", "it is started again with its siblings"))

    async def end_all(self, error: Callable[[], Exception]) -> None:
        """End them all: the supervisor ends. Whoever waits gets what `error` makes."""
        for startup in self.under_way:
            startup.task.cancel()
        if self.under_way:
            await asyncio.wait({each.task for each in self.under_way})
        ended, self.under_way, self._of = self.under_way, {}, {}
        for startup in ended:
            startup.tell(error())
            for call in startup.later:
                if not call.done.done():
                    call.done.set_exception(error())
