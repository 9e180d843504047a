"""Starts of children that a supervisor does not wait for: it serves the others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from civitas.errors import StartFailed, SupervisionError
from civitas.process import Cell, Turns
from civitas.supervision.children import Children
from civitas.supervision.slot import Slot

__all__ = ["Call", "Result", "StartUp", "StartUps"]

Result = tuple[Slot, Exception] | None
"""Who did not start, and why; None if all did."""


@dataclass(slots=True, eq=False)
class StartUp:
    """A start of one child, or of a group left to right.

    Attributes:
        group: Who is to be started.
        task: Starts them; None while an agent starts that nobody waits for in a task.
        finish: What to do when that is over, in the supervisor's own task; returns what to tell whoever asked for it.
        may_end: Whether the supervisor may end it for the sake of a sibling; a start that somebody asked for by hand
            is waited for.
        started: Done when an agent has started, or has not, that nobody waits for in a task.
        done: Whoever waits for it.
        later: Calls about one of the group, which wait until it is over.
    """

    group: list[Slot]
    task: asyncio.Task[Result] | None
    finish: Callable[[Result], Awaitable[Exception | None]]
    may_end: bool
    started: asyncio.Future[None] | None = None
    done: asyncio.Future[None] | None = None
    later: list[Call] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether they have started, or one of them has not."""
        return self.task is not None and self.task.done()

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
        children: The children.
        over: Called when one is over; the supervisor then calls `settle`.
    """

    def __init__(
        self,
        owner: str,
        turns: Turns,
        children: Children,
        over: Callable[[StartUp], None],
    ) -> None:
        self._owner = owner
        self._turns = turns
        self._children = children
        self._over = over
        self.under_way: dict[StartUp, None] = {}
        """In the order they began; while it is empty there is nobody to make way for."""
        self.of: dict[Slot, StartUp] = {}
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
            self.of[each] = startup
        return startup

    def begin_here(
        self, slot: Slot, here: Cell, finish: Callable[[Result], Awaitable[Exception | None]]
    ) -> None:
        """Begin to start one agent again; `finish` is called if it does not start.

        A task is made if somebody has to wait for that. Most agents have started before anybody could.
        """
        slot.cancel()
        startup = StartUp([slot], None, finish, may_end=True)
        self.under_way[startup] = None
        self.of[slot] = startup
        try:
            started = startup.started = self._children.begin(slot, here)
        except StartFailed as error:
            self._do(startup, _failed(slot, error))
        else:
            started.add_done_callback(lambda _: self._has_begun(startup, slot, here, started))

    def _has_begun(
        self, startup: StartUp, slot: Slot, here: Cell, started: asyncio.Future[None]
    ) -> None:
        if startup.task is not None or startup not in self.under_way:
            return  # others wait for it, or have ended it
        if startup.later or started.cancelled() or started.exception() is not None:
            self._wait_for(startup)
        else:
            self._forget(startup)
            self._children.is_ready(slot, here, started)

    def _wait_for(self, startup: StartUp) -> None:
        """Let a task wait for what `begin_here` began; it must have run before it may be cancelled."""
        slot, started = startup.group[0], startup.started
        assert slot.here is not None and started is not None  # noqa: PT018 - it began here
        self._do(startup, self._begun(slot, slot.here, started))

    async def _begun(self, slot: Slot, here: Cell, started: asyncio.Future[None]) -> Result:
        try:
            await self._children.begun(slot, here, started)
        except StartFailed as error:
            return slot, error
        return None

    def _do(self, startup: StartUp, work: Coroutine[Any, Any, Result]) -> None:
        loop = asyncio.get_running_loop()
        startup.task = loop.create_task(work, name=f"civitas:{self._owner}")
        startup.task.add_done_callback(lambda _: self._over(startup))

    def _forget(self, startup: StartUp) -> None:
        del self.under_way[startup]
        for each in startup.group:
            if self.of.get(each) is startup:
                del self.of[each]

    async def _start_in_order(self, group: list[Slot]) -> Result:
        for each in group:
            each.due = None
            if each.timer is not None:
                each.cancel()
            try:
                if self._turns.long:
                    await self._turns.give_way()
                await self._children.start(each)
            except StartFailed as error:
                return each, error
        return None

    @property
    def by_hand(self) -> StartUp | None:
        """The one that somebody asked for; there is one at a time, as in OTP."""
        return next((each for each in self.under_way if not each.may_end), None)

    async def settle(self, startup: StartUp) -> list[Call]:
        """Do what follows when one is over; nothing if that was done, or it was ended.

        Returns:
            The calls that waited for it.
        """
        if startup not in self.under_way or startup.task is None:
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
            for startup in dict.fromkeys(self.of[each] for each in group if each in self.of):
                await self._make_way(startup)
                over.append(startup)
        except BaseException:  # the supervisor ends: `end_all` answers whoever waits
            self.under_way.update(dict.fromkeys(over))
            raise
        return [call for startup in over for call in startup.later]

    async def _make_way(self, startup: StartUp) -> None:
        [task] = await self._tasks_of([startup])
        ends = startup.may_end and not task.done()
        if ends:
            task.cancel()
        await asyncio.wait({task})
        if not ends:
            await self.settle(startup)
            return
        self._forget(startup)
        if not task.cancelled():
            task.exception()  # it failed in that very moment, and is started again anyway
        startup.tell(SupervisionError("restarting", "it is started again with its siblings"))

    async def _tasks_of(self, startups: Collection[StartUp]) -> list[asyncio.Task[Result]]:
        """Their tasks, which may be cancelled."""
        begun = [each for each in startups if each.task is None]
        # All before anything is awaited: meanwhile one may start, and would be said to have started twice.
        for each in begun:
            self._wait_for(each)
        if begun:
            await asyncio.sleep(0)
        return [each.task for each in startups if each.task is not None]

    async def end_all(self, error: Callable[[], Exception]) -> None:
        """End them all: the supervisor ends. Whoever waits gets what `error` makes."""
        tasks = await self._tasks_of(list(self.under_way))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        ended, self.under_way, self.of = self.under_way, {}, {}
        for startup in ended:
            startup.tell(error())
            for call in startup.later:
                if not call.done.done():
                    call.done.set_exception(error())


async def _failed(slot: Slot, error: StartFailed) -> Result:
    return slot, error
