"""One OS process of the system: hosts agents and moves their messages."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from civitas.budgets import Purses, Treasury
from civitas.errors import ConfigurationError, SupervisionError
from civitas.events import DeadLetterReason, Event, EventType
from civitas.message import Message, encode, new_message
from civitas.node.accounts import accounts_of
from civitas.node.administration import administering, ended, holding_if_waiting
from civitas.node.asks import PendingAsks
from civitas.node.blocking import BlockWatch
from civitas.node.budgets import Budgets
from civitas.node.glance import Far, Glances, NothingFar
from civitas.node.handover import Handover
from civitas.node.last_words import LastWords
from civitas.node.later import Later
from civitas.node.monitors import Monitor, Monitors
from civitas.node.node_telemetry import NodeTelemetry
from civitas.node.offering import Offering
from civitas.node.requests import keeps_runs
from civitas.node.router import Router
from civitas.node.scheduler import Scheduler
from civitas.node.spawning import dynamic_supervisor
from civitas.node.threads import AgentThreads
from civitas.node.withdrawals import Withdrawals
from civitas.process import (
    AgentProcess,
    Caller,
    Cell,
    ChildKind,
    ExitReason,
    StepGate,
    Turns,
    forget_records,
    forget_records_of,
)
from civitas.process.account import Account
from civitas.process.own_timers import TimerKeeper
from civitas.process.slow_start import SlowStarts
from civitas.state import Retention, StateStore
from civitas.supervision import (
    Child,
    Clock,
    ConversationPoolProcess,
    LoopClock,
    Parent,
    Placed,
    RestartHistory,
)
from civitas.telemetry.tracing import Tracing
from civitas.tools.forked import guard
from civitas.transport.election import Lead

if TYPE_CHECKING:
    from civitas.node.durable_agents import DurableAgents
    from civitas.runs.timers import KeptTimer

__all__ = ["Node"]

# Threads for plain `def` handlers; they are started when needed. Tools and the blocking code of frameworks have as many
# of their own each: handlers that fill theirs and wait for a tool must not wait for each other.
_THREADS = 32
_LAST_RECORDS = 5.0
"""Seconds for the store to drop what was recorded for messages that were given up, when the node ends."""


class Node(Router):
    """One OS process of the system, as its processes and its supervisors see it.

    Args:
        name: ``root`` for the one that runs the supervision tree.
        store: Where state is kept.
        tracing: Makes the spans.
        llm: The ModelProvider, or None.
        tools: The ToolRegistry, or None.
        clock: The clock of supervisors and timers.
        keeps_runs: Whether it keeps the messages of durable agents: the root does.
    """

    def __init__(
        self,
        name: str,
        *,
        store: StateStore,
        tracing: Tracing,
        llm: Any = None,
        tools: Any = None,
        clock: Clock | None = None,
        keeps_runs: bool = True,
    ) -> None:
        super().__init__(name, tracing)
        self.store = store
        self.retention = Retention()  # what of conversations is kept
        self.llm, self.tools = llm, tools
        self.offering = Offering(self)
        self.clock: Clock = clock or LoopClock()
        self.history = RestartHistory()
        self.treasury = Treasury(self, self._background)
        """Keeps the budgets of the system; that of the root is asked."""
        self.budgets = Budgets(self, Purses(self.treasury))
        self.treasury.recall = self.budgets.recall
        self.supervisors: dict[str, Parent] = {}
        self.owners: dict[str, Parent] = {}
        """The supervisor of each agent."""
        self._monitors = Monitors()
        self._tasks: set[asyncio.Task[object]] = set()
        self._forgetting: set[asyncio.Task[object]] = set()
        """Those that drop records in the store, which a stop lets come to their end."""
        self.timers: TimerKeeper
        """Keeps the messages that durable agents here send later."""
        self.durable_agents: DurableAgents | None = None
        if keeps_runs:
            from civitas.node.durable_agents import DurableAgents

            self.timers = self.durable_agents = DurableAgents(self)
        self.last_words = LastWords(self, self._requests)
        later = Later(self, self._in_span, self._background)
        self.send_after = later.send_after
        self.step_gate = StepGate()
        self.scheduler = Scheduler(self, later.deliver)
        """Sends agents the messages of their schedules; used at the root alone."""
        self.far: Far = NothingFar()
        """Looks at the other OS processes of the system."""
        self.runs = self.durable_agents.runs if self.durable_agents else None
        """Keeps the messages of durable agents; None where the root of another process does."""
        if self.durable_agents is not None:
            self.durable_agents.fire = self._fire

    def attach(self) -> None:
        """Take the running event loop as the one everything happens on."""
        self.loop = asyncio.get_running_loop()
        self.stops = False
        self.turns, self.slow_starts = Turns(self.loop), SlowStarts(self.loop)
        self.variables = copy_context()
        guard(self.loop)
        self.thread = threading.get_ident()
        self.executor = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"civitas-{self.name}")
        self.tool_threads = ThreadPoolExecutor(_THREADS, f"civitas-{self.name}-tools")
        self._agent_threads = AgentThreads(_THREADS, f"civitas-{self.name}-frameworks")
        self._agent_threads.attach(self.loop)
        self.asks = PendingAsks(self.loop)
        self.hand_answer, self.awaits = self.asks.answer, self.asks.__contains__
        self._withdrawals = Withdrawals(self.loop, self.turns, self.runs)
        self._handover = Handover(self.loop)
        self.glances = Glances(self.registry, self.asks)
        self._figures = NodeTelemetry(self.name, self.loop, self.tracing, self.registry, self.asks)
        tell = partial(self.event, "blocked")
        self._blocking = BlockWatch(self.name, self.loop, self.tracing.metrics, tell)
        self.held_for = self._blocking.held

    async def detach(self) -> None:
        """Give back what `attach` took. Threads in the middle of a blocking call are left to finish it."""
        if self.runs is not None:
            await self.runs.close()
        for each in (self._figures, self._blocking, self.slow_starts):
            each.end()
        self.asks.close()
        if self._forgetting:
            await asyncio.wait(self._forgetting, timeout=_LAST_RECORDS)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.events.settle()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.tool_threads.shutdown(wait=False, cancel_futures=True)
        self._agent_threads.detach()

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> bool:
        """Count and report a message that nobody will handle, and forget what is recorded for it."""
        if self.runs is not None and self.runs.ending.is_kept_for_later(message, reason):
            return False
        is_dead = super().dead_letter(message, reason)
        # A run that the root keeps goes on when the agent is there again.
        stays = message.run_name is not None and reason is DeadLetterReason.TERMINATED
        if is_dead and message.attempt and not stays:
            self.forget_records(message)
        return is_dead

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that was given up."""
        self._forget(forget_records(self.store, message))

    def forget_records_of(self, message_ids: Collection[str]) -> None:
        """Drop what is recorded for messages that nobody has any more."""
        self._forget(forget_records_of(self.store, message_ids))

    def _forget(self, work: Coroutine[Any, Any, None]) -> None:
        self._forgetting.add(forgetting := self._background(work))
        forgetting.add_done_callback(self._forgetting.discard)

    def blocking_calls(self, message_id: str) -> int:
        """How many calls that block a thread go on for a message."""
        return self._agent_threads.busy[message_id]

    def lend_threads(self) -> ThreadPoolExecutor:
        """The threads for blocking code of frameworks, for an event loop of an agent's own."""
        return self._agent_threads.lend()

    lead: Lead | None = None  # where other roots may wait to take over

    async def elect(self, waiting: Callable[[str], None], lost: Callable[[str], None]) -> None:
        """Wait until no other root leads; `waiting` is told who does, and `lost` why this one does not any more."""

    async def assemble(self) -> None:
        """Start the other OS processes of the system; there are none."""

    async def has_started(self) -> None:
        """The tree has started."""

    async def dismiss(self) -> None:
        """End the other OS processes of the system; there are none."""

    async def drained(self) -> None:
        """Wait until no agent handles a message and no mailbox holds one."""
        while busy := [cell for cell in self.registry.values() if cell.busy]:
            for cell in busy:
                await cell.entry.drained()

    def accounts(self) -> Iterable[Account]:
        """What the agents of this process have done so far."""
        return accounts_of(self.registry)

    # For supervisors.

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Child:
        """Make room for an agent: from now on its name is known and messages for it wait."""
        if isinstance(agent, Placed):
            raise ConfigurationError(
                f"{name!r} is to run in the process {agent.process!r}, and this system has no other processes; "
                "use Runtime.from_config"
            )
        self._check_free(name)
        family = owner.name if isinstance(owner, ConversationPoolProcess) else name
        cell = self.registry[name] = Cell(agent, self, name, family)
        self.owners[name] = owner
        if self.durable_agents is not None:
            self.durable_agents.placed(cell)
        if family == name:
            self.scheduler.plan(name, agent._civitas_options.schedule)
        return cell

    def closed(self, name: str, why: str) -> None:
        """The mailbox of `name` is closed for `why`; open again if that is empty."""
        if self.runs is not None:
            self.runs.closed(name, why)

    def forget(self, name: str) -> None:
        """Remove a name whose child spec is gone."""
        self.registry.pop(name, None)
        self.owners.pop(name, None)
        self.scheduler.drop(name)
        if self.runs is not None:
            self.runs.forget(name)

    def join(self, supervisor: Parent) -> None:
        """Make a supervisor known by its name."""
        self._check_free(supervisor.name)
        self.supervisors[supervisor.name] = supervisor
        if isinstance(supervisor, ConversationPoolProcess):
            self.registry.pools[supervisor.address] = supervisor
            schedule = supervisor.pool.child._civitas_options.schedule
            self.scheduler.plan(supervisor.name, schedule)

    def leave(self, supervisor: Parent) -> None:
        """Forget a supervisor whose spec is gone."""
        self.supervisors.pop(supervisor.name, None)
        self.scheduler.drop(supervisor.name)
        if isinstance(supervisor, ConversationPoolProcess):
            self.registry.pools.pop(supervisor.address, None)

    def owner(self, name: str) -> Parent | None:
        """The supervisor of an agent or of a supervisor; None for the root and for a name that is not there."""
        supervisor = self.supervisors.get(name)
        return supervisor.parent if supervisor is not None else self.owner_of(name)

    def owner_of(self, name: str) -> Parent | None:
        """The supervisor of an agent, wherever that runs; None for a name that is not there."""
        return self.owners.get(name)

    def clear(self) -> None:
        """Forget every name: a new tree is about to be built."""
        self.scheduler.clear()
        self.step_gate.open()
        self.registry.clear()
        self.registry.pools.clear()
        self.owners.clear()
        self.supervisors.clear()

    def _check_free(self, name: str) -> None:
        if name in self.registry or name in self.supervisors:
            raise ConfigurationError(f"the name {name!r} is taken; names are addresses")

    def event(
        self, type: EventType, name: str, reason: str, message: str, cause: ExitReason | None = None
    ) -> None:
        """Report something that happened, `cause` being the crash behind it."""
        if self.events.callbacks[type]:
            node = self.node_of(name)
            self.events.pass_on(Event(type, name, node, str(reason), message, time.time()))
        if self.tracing.active or self.tracing.metrics.active:
            self._observe.event(type, name, str(reason), cause)

    def node_of(self, name: str) -> str:
        """The name of the OS process that an agent or supervisor runs in."""
        return self.name

    # For processes.

    async def spawn(self, sender: Caller, agent: AgentProcess, supervisor: str | None) -> None:
        """Start `agent` under the named dynamic supervisor, or the one nearest to `sender`."""
        parent = dynamic_supervisor(self, sender.name, supervisor)
        with administering(self, parent, "spawn", waits_for=[agent.name]):
            await parent.start_child(agent)

    async def terminate(self, sender: Caller, name: str) -> bool:
        """End an agent that was spawned; False if it is not there."""
        with holding_if_waiting(sender, [name]):
            return await self.terminate_for(sender.name, name)

    async def terminate_for(self, sender: str, name: str) -> bool:
        """The same, for a sender that may run elsewhere."""
        owner = self.owner_of(name)
        if owner is None:
            return False
        if owner.kind not in (ChildKind.DYNAMIC_SUPERVISOR, ChildKind.CONVERSATION_POOL):
            raise SupervisionError(
                "not_found",
                f"{name!r} was not spawned: it is one of the children of {owner.name!r}; "
                "use runtime.terminate_child",
            )
        ending = ended(owner.terminate_child(name))
        if name == sender:
            self._background(ending)  # it cannot wait for its own end
            return True
        return await ending

    async def monitor(self, watcher: Caller, target: str) -> str:
        """Tell `watcher` when the running incarnation of `target` exits."""
        return await self.monitor_for(watcher.name, target)

    async def monitor_for(self, watcher: str, target: str, ref: str = "") -> str:
        """The same, for a watcher that may run elsewhere."""
        monitor = self._monitors.add(watcher, target, ref)
        if not await self.is_alive(target) and self._monitors.remove(monitor.ref):
            self._tell(monitor, "noproc", None)
        return monitor.ref

    async def is_alive(self, name: str) -> bool:
        """Whether an incarnation of the agent `name` runs, wherever that is."""
        return (cell := self.registry.get(name)) is not None and cell.alive

    async def demonitor(self, ref: str) -> None:
        """End a monitor."""
        self._monitors.remove(ref)

    def exited(self, name: str, reason: ExitReason) -> None:
        """An incarnation of `name` has exited."""
        if name in self.last_words.watching or name in self.last_words.waiting:
            self.last_words.exited(name)
        if name in self._monitors.of:
            error = str(reason.failure) if reason.failure else None
            for monitor in self._monitors.exited(name):
                self._tell(monitor, str(reason.kind), error)

    def _tell(self, monitor: Monitor, reason: str, error: str | None) -> None:
        cell = self.registry.get(monitor.watcher)
        if cell is not None:
            down = {"ref": monitor.ref, "name": monitor.target, "reason": reason, "error": error}
            cell.entry.push(new_message("civitas.down", None, monitor.watcher, encode(down)))

    def _fire(self, timer: KeptTimer) -> None:
        self._background(self.scheduler.hand_over(timer.message, f"timer-{timer.id}", timer.forget))

    async def keeps_runs_of(self, name: str, conversation: str | None) -> bool:
        """Whether a message to the agent `name` begins a run that is found again; False if nobody can say."""
        await self.look_up(name)
        registry = self.registry
        if name not in registry and (conversation is None or name not in registry.pools):
            return False
        return keeps_runs(registry.route(name, conversation, ""))

    async def look_up(self, name: str) -> None:
        """Find out where an agent is, if that is known elsewhere."""

    def _background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
