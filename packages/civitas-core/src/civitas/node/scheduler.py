"""`Scheduler`: sends agents the messages of their schedules."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from civitas.errors import DeliveryError, NotStored, RunConflict
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node.dead.letters import reason_of
from civitas.node.scheduled import RECORD, DueTime, Scheduled
from civitas.process import Cell, Delivery
from civitas.process.schedule import MOST_MISSED, Schedule
from civitas.state.patience import patiently, saved_under

if TYPE_CHECKING:
    from civitas.node.registry import Registry
    from civitas.state import StateStore
    from civitas.supervision import Clock
    from civitas.supervision.clock import ClockTimer

__all__ = ["Scheduler"]

logger = logging.getLogger("civitas")

_LOOK = 1.0
"""The longest time in seconds between two looks at the clock, as that may be set."""
_AGAIN = 1.0
"""Seconds before a state store is tried again that did not answer."""
_GONE = 30 * 86400.0
"""Seconds after its last message for which what is kept of an agent stays that this program does not have."""
_STUCK = 1.0
"""Seconds after which a message that is not taken is taken for one that waits."""


class SendingRoot(Protocol):
    """The root, as it is seen here."""

    clock: Clock
    loop: asyncio.AbstractEventLoop
    store: StateStore
    registry: Registry

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""


class Scheduler:
    """Sends agents the messages of their schedules, from the start of a system to its stop.

    It keeps in the state store when each agent was due last, and goes on from there at the next start. A durable agent
    is sent a run that is named for it and the time, and then that is noted: a kill between the two changes nothing. For
    any other it is noted first: a kill loses a message rather than sending it twice.

    Args:
        root: The root node.
        deliver: Hands a message to its recipient within a time, None for ever; see `Later.deliver`.
    """

    def __init__(
        self,
        root: SendingRoot,
        deliver: Callable[[Message, float | None], Coroutine[Any, Any, None]],
    ) -> None:
        self._root = root
        self._hand = deliver
        self._agents: dict[str, Scheduled] = {}
        self._heap: list[tuple[float, int, Scheduled]] = []
        self._order = count()
        self._timer: ClockTimer | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """What is being done for an agent, by its name."""
        self._forgetting: dict[str, asyncio.Task[None]] = {}
        """The same for agents that are gone; under no name for those of earlier programs."""
        self._runs = False
        self._seen = 0.0

    def plan(self, name: str, schedule: Schedule | None) -> None:
        """An agent has a schedule, or none any more."""
        known = self._agents.get(name)
        if schedule == (None if known is None else known.schedule):
            return
        self._stop_planning(name)
        if schedule is not None:
            self._agents[name] = agent = Scheduled(name, schedule)
            if self._runs:
                self._begin(agent, self._open(agent))

    def drop(self, name: str) -> None:
        """An agent is gone, and what is kept of its schedule with it; one that comes back has missed nothing."""
        agent = self._stop_planning(name)
        if agent is not None and self._runs:
            self._begin_forgetting(name, self._forget(agent.key, name))

    def _stop_planning(self, name: str) -> Scheduled | None:
        agent = self._agents.pop(name, None)
        if agent is not None and (task := self._tasks.pop(name, None)):
            task.cancel()
        return agent

    def clear(self) -> None:
        """All are gone."""
        self._agents.clear()

    def next_of(self, name: str) -> float | None:
        """When an agent is due next, in unix seconds; None for one without a schedule."""
        agent = self._agents.get(name)
        return None if agent is None or agent.next == float("inf") else agent.next

    async def start(self) -> None:
        """Begin: every agent has started."""
        self._runs = True
        self._seen = self._time()
        if self._agents:
            opening = [self._begin(each, self._open(each)) for each in self._agents.values()]
            await asyncio.wait(opening)
        self._begin_forgetting("", self._forget_others())

    async def stop(self) -> None:
        """End; what becomes due from now on is missed."""
        self._runs = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._heap.clear()
        tasks = [*self._tasks.values(), *self._forgetting.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def _time(self) -> Callable[[], float]:
        return getattr(self._root.clock, "time", time.time)

    # The clock.

    def _tick(self) -> None:
        now = self._time()
        if now < self._seen:
            self._heap.clear()
            for agent in self._agents.values():
                agent.clock_was_set(now)
                self._push(agent)
        self._seen = now
        while self._heap and self._heap[0][0] <= now:
            due, _, agent = heappop(self._heap)
            if agent is not self._agents.get(agent.name) or due != agent.next:
                continue
            _warn(agent, agent.look(now))
            if agent.began is not None and self._root.loop.time() - agent.began > _STUCK:
                agent.merge()
            self._push(agent)
            self._send(agent)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap and self._runs:
            wait = min(max(self._heap[0][0] - self._time(), 0.0), _LOOK)
            self._timer = self._root.clock.call_later(wait, self._tick)

    def _push(self, agent: Scheduled) -> None:
        heappush(self._heap, (agent.next, next(self._order), agent))

    # The state store and the agents.

    def _begin(self, agent: Scheduled, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks[agent.name] = self._root.loop.create_task(work)

        def over(_: asyncio.Task[None]) -> None:
            if self._tasks.get(agent.name) is task:
                del self._tasks[agent.name]
                self._send(agent)

        task.add_done_callback(over)
        return task

    async def _open(self, agent: Scheduled) -> None:
        """Go on from what is kept of an agent."""
        store = self._root.store
        if (forgetting := self._forgetting.get(agent.name)) is not None:
            await asyncio.wait({forgetting})  # it was here before, and has come back
        kept = await self._stubbornly(agent.name, lambda: saved_under(store, agent.key, agent.name))
        if agent.begin(kept, self._time()):
            await self._stubbornly(agent.name, lambda: self._note(agent, agent.last))
        self._push(agent)
        self._arm()

    def _begin_forgetting(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._forgetting[name] = self._root.loop.create_task(work)

        def over(_: asyncio.Task[None]) -> None:
            if self._forgetting.get(name) is task:
                del self._forgetting[name]

        task.add_done_callback(over)

    async def _forget(self, key: str, name: str) -> None:
        await self._stubbornly(name, lambda: self._root.store.delete(key))

    async def _forget_others(self) -> None:
        """Drop what is kept of agents that have no schedule any more.

        An agent that is not here may be that of another program, which uses the same store.
        """
        list_keys = getattr(self._root.store, "keys", None)
        if list_keys is None:
            return
        for key in await self._stubbornly("", partial(list_keys, RECORD)):
            name = key.removeprefix(RECORD)
            if name in self._agents:
                continue
            kept = await self._stubbornly(name, partial(self._root.store.get, key))
            last = self._time() if kept is None else kept.get("last", 0.0)
            if isinstance(self._root.registry.get(name), Cell) or last < self._time() - _GONE:
                await self._forget(key, name)

    def _send(self, agent: Scheduled) -> None:
        """Hand over what waits for an agent, unless that is being done."""
        if self._runs and agent.waiting and agent.name not in self._tasks:
            self._begin(agent, self._hand_over(agent))

    async def _hand_over(self, agent: Scheduled) -> None:
        while agent.waiting:
            agent.began = self._root.loop.time()
            await self._hand_over_one(agent, agent.waiting[0])
            agent.began = None
            agent.waiting.popleft()

    async def _hand_over_one(self, agent: Scheduled, due: DueTime) -> None:
        await self.hand_over(
            agent.message(due), agent.run_of(due), lambda: self._note(agent, due.at)
        )

    async def hand_over(
        self, message: Message, run: str, note: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Hand a message over, and note that: to a durable agent in this order, to any other the other way round.

        Args:
            message: The message.
            run: The name of the run that it begins, of a durable agent.
            note: Notes it in the state store.
        """
        name = message.recipient
        cell = self._recipient(message)
        if cell is not None and cell.delivery == Delivery.DURABLE:
            named = message.replaced(run_name=run)
            await self._stubbornly(name, lambda: self._deliver(named))
            await self._stubbornly(name, note)
        else:
            await self._stubbornly(name, note)
            await self._deliver(message)

    def _recipient(self, message: Message) -> Any:
        try:
            return self._root.registry.route(message.recipient, message.conversation, message.id)
        except DeliveryError:
            return None  # it is told when the message is put

    async def _deliver(self, message: Message) -> None:
        try:
            await self._hand(message, None)
        except RunConflict:
            pass  # it was accepted, before its payload was changed
        except NotStored:
            raise  # it is tried again
        except DeliveryError as error:
            self._root.dead_letter(message, reason_of(error))

    async def _note(self, agent: Scheduled, last: float) -> None:
        """Keep when the message was due that was handed over last."""
        record = agent.record(last)
        await self._root.store.set(agent.key, record)

    async def _stubbornly(self, name: str, attempt: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Try again until the state store answers: what is due can wait, and must neither be lost nor sent twice."""
        while True:
            try:
                return await patiently(attempt, name)
            except Exception as error:
                logger.exception(
                    "agent %r: its schedule could not be kept in the state store. It is tried again; until that "
                    "succeeds the agent gets no message of its schedule",
                    name,
                    exc_info=error,
                )
            await asyncio.sleep(_AGAIN)


def _warn(agent: Scheduled, most: int) -> None:
    if most:
        logger.warning(
            "agent %r: %d times of its schedule or more passed while the system did not run. The newest %d are made up "
            "for; the others are not",
            agent.name,
            most,
            MOST_MISSED,
        )
