"""`DurableAgents`: the agents of the root whose messages are kept in the state store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from civitas.errors import DeliveryError
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.process import Cell, Delivery
from civitas.runs.acceptance import Acceptance
from civitas.runs.entry import AcceptedEntry, Inner
from civitas.runs.open_run import DurableAgent, OpenRun, Waiter
from civitas.runs.overview import overview
from civitas.runs.records import AcceptedRun
from civitas.runs.timers import KeptTimer, TimerCall
from civitas.telemetry import names

if TYPE_CHECKING:
    import asyncio

    from civitas.node.asks import PendingAsks
    from civitas.node.origin import Origin
    from civitas.node.registry import Registry
    from civitas.node.streams import Chunks
    from civitas.state import StateStore
    from civitas.supervision import Clock
    from civitas.telemetry.instruments import Point
    from civitas.telemetry.tracing import Tracing

__all__ = ["DurableAgents"]


class Around(Protocol):
    """The root, as it is seen here."""

    name: str
    loop: asyncio.AbstractEventLoop
    store: StateStore
    registry: Registry
    tracing: Tracing
    foreign: dict[str, Origin]
    asks: PendingAsks
    streams: dict[str, Chunks]
    clock: Clock

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> bool:
        """Count and report a message that nobody will handle."""

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that is finished."""


class RunOrigin:
    """Where the message of a run came from, to the agent that handles it: out of the state store.

    Args:
        run: The run.
        runs: Keep it.
    """

    __slots__ = ("_run", "_runs")

    def __init__(self, run: OpenRun, runs: Acceptance) -> None:
        self._run = run
        self._runs = runs

    def began(self, agent: str) -> Awaitable[None] | None:
        """See `Origin.began`."""
        self._runs.ending.began(agent, self._run)
        return None

    def settled(self) -> None:
        """See `Origin.settled`."""
        self._runs.ending.settled(self._run)

    async def heard(self) -> bool:
        """Wait until the end of the run is in the store; see `Origin.heard`."""
        await self._run.has_ended()
        return True

    def answered(self, reply: Message) -> bool:
        """Answers go to the root itself; see `Origin.answered`."""
        return False

    def refused(self, error: DeliveryError) -> None:
        """Answers go to the root itself; see `Origin.refused`."""

    def chunk(self, chunk: Message) -> bool:
        """Chunks go to the root itself; see `Origin.chunk`."""
        return False

    def left(self) -> None:
        """Nobody can leave the store; see `Origin.left`."""


class DurableCell:
    """A durable agent of this OS process.

    Args:
        cell: The agent.
        foreign: Where the messages came from that agents here have, by id.
        runs: Keep its messages.
    """

    def __init__(self, cell: Cell, foreign: dict[str, Origin], runs: Acceptance) -> None:
        self._cell = cell
        self._foreign = foreign
        self._runs = runs

    @property
    def doing(self) -> Mapping[str, Any] | None:
        """See `DurableAgent.doing`."""
        return self._cell.doing

    def did(self, message_id: str) -> Mapping[str, Any] | None:
        """See `DurableAgent.did`."""
        return self._cell.did(message_id)

    @property
    def gives_up(self) -> bool:
        """See `DurableAgent.gives_up`."""
        return self._cell.template._civitas_options.cancel_on_timeout

    @property
    def max_deliveries(self) -> int:
        """See `DurableAgent.max_deliveries`."""
        return self._cell.template._civitas_options.max_deliveries

    def hand(self, run: OpenRun, message: Message) -> None:
        """See `DurableAgent.hand`."""
        self._foreign[message.id] = RunOrigin(run, self._runs)
        if run.record.deliveries:
            self._cell.was_given(message.id, run.record.deliveries)
        if not self._cell.mailbox.offer(message):
            self._cell.mailbox.push(message)

    def withdraw(self, message: Message, *, reader_left: bool) -> None:
        """See `DurableAgent.withdraw`."""
        self._cell.withdraw(message, reader_left=reader_left)


class DurableAgents:
    """The agents whose messages are kept in the state store, as the keeper of runs sees them.

    Args:
        node: The root.
    """

    def __init__(self, node: Around) -> None:
        self._node = node
        self.keeps: Callable[[Cell], bool] = lambda cell: cell.delivery is Delivery.DURABLE
        """Whether the messages of an agent here are kept in the store."""
        self.asked_elsewhere: Callable[[Message], Waiter | None] = lambda message: None
        """Who waits for the answer to a message that another OS process sent."""
        self.elsewhere: dict[str, Mapping[str, Mapping[str, Any]]] = {}
        """What agents of other OS processes do, by the process and the message, as of a quarter of a second ago."""
        self.fire: Callable[[KeptTimer], None] = lambda timer: None
        """Sends the message of a timer, and forgets the timer."""
        self.runs = Acceptance(self)
        node.tracing.metrics.gauges[names.RUNS_KEPT] = self.by_status

    def call_later(self, delay: float, timer: KeptTimer) -> TimerCall:
        """See `TimerRoot.call_later`."""
        return self._node.clock.call_later(delay, lambda: self.fire(timer))

    def keep(self, id: str, message: Message, delay: float) -> KeptTimer:
        """See `TimerKeeper.keep`."""
        return self.runs.timers.keep(id, message, delay)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Of the root."""
        return self._node.loop

    @property
    def store(self) -> StateStore:
        """Of the root."""
        return self._node.store

    def by_status(self) -> Iterable[Point]:
        """How many runs that are kept have each status, for each agent or pool; called in any thread."""
        table = self.runs.table
        infos = [each.info for each in list(table.ended.values())]
        infos += [each.info() for each in list(table.open.values()) if each.is_kept]
        found = Counter((each.agent.partition("/")[0], each.status) for each in overview(infos))
        for (agent, status), count in found.items():
            yield count, {names.AGENT_NAME: agent, names.RUN_STATUS: str(status)}

    # What the root says.

    def placed(self, cell: Cell) -> None:
        """An agent has its place here: keep what is sent to it, if it is durable."""
        if self.keeps(cell):
            size = cell.template._civitas_options.mailbox_size
            agent = DurableCell(cell, self._node.foreign, self.runs)
            cell.entry = self.entered(cell.name, cell.mailbox, size, agent)

    def entered(self, name: str, inner: Inner, size: int, agent: DurableAgent) -> AcceptedEntry:
        """A durable agent has its place; returns where its messages are put from now on.

        Args:
            name: Of the agent.
            inner: Where they were put until now.
            size: How many messages its mailbox holds.
            agent: The agent.
        """
        entry = AcceptedEntry(name, inner, size, agent, self._hand, self.runs)
        self.runs.entered(entry)
        return entry

    # What the keeper of runs asks for; see `Root`.

    def waiter_of(self, message: Message) -> Waiter | None:
        """See `Root.waiter_of`."""
        if message.reply_to is None:
            return None
        if message.reply_to != self._node.name:
            return self.asked_elsewhere(message)
        return partial(self._node.asks.answer, message.id)

    def let_answer(self, message_id: str) -> None:
        """See `Root.let_answer`."""
        self._node.asks.kept.pop(message_id, None)
        if (chunks := self._node.streams.get(message_id)) is not None:
            chunks.close()
            if not chunks.is_read:
                del self._node.streams[message_id]

    def keep_chunks(self, message_id: str) -> None:
        """See `Root.keep_chunks`."""
        if (chunks := self._node.streams.get(message_id)) is not None:
            chunks.keep()

    def join_chunks(self, message_id: str, reader_id: str) -> None:
        """See `Root.join_chunks`."""
        chunks, reader = (self._node.streams.get(each) for each in (message_id, reader_id))
        if chunks is not None and reader is not None:
            chunks.join(reader)

    def entry_of(self, run: AcceptedRun) -> AcceptedEntry | None:
        """See `Root.entry_of`."""
        try:
            cell = self._node.registry.route(run.agent, run.conversation, run.message_id)
        except DeliveryError:
            return None
        return cell.entry if isinstance(cell.entry, AcceptedEntry) else None

    def doing(self, run: OpenRun) -> Mapping[str, Any] | None:
        """See `Root.doing`."""
        if run.entry is None or not run.running:
            return None
        id, agent = run.record.message_id, run.entry.agent
        told = agent.doing
        if told is not None and told["message"] == id:
            return told
        if (did := agent.did(id)) is not None:
            return did
        return run.did or next((each[id] for each in self.elsewhere.values() if id in each), None)

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """See `Root.dead_letter`."""
        return self._node.dead_letter(message, reason)

    def forget_records(self, message: Message) -> None:
        """See `Root.forget_records`."""
        self._node.forget_records(message)

    def _hand(self, agent: DurableAgent, run: OpenRun) -> None:
        """Give an agent a message that is in the store, as one that the root waits for the answer to."""
        message, record = run.message, run.record
        assert message is not None  # it has been read
        lasts = record.lasts or not agent.gives_up
        message = run.message = message.replaced(
            reply_to=self._node.name,
            run_name=record.run,
            deadline=None if lasts else message.deadline,
        )
        self._node.asks.kept[message.id] = partial(self.runs.ending.answered, run)
        agent.hand(run, message)
