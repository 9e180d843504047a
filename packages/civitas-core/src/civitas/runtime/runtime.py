"""`Runtime`: the root of a system, which runs the supervision tree."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from civitas.budgets import Prices
from civitas.cluster import Processes, make_root
from civitas.events import EVENT_TYPES, Event
from civitas.node import Callback
from civitas.node.acting import Actions
from civitas.node.glance import Overview
from civitas.plugins import PluginManager
from civitas.process import AgentProcess, Messenger
from civitas.process.declared import refuses_unknown_keywords
from civitas.process.options import check_name, check_timeout, choose, positive
from civitas.runs import RunInfo, RunStatus
from civitas.runtime.administration import Administration
from civitas.runtime.dead_letters import DeadLetters
from civitas.runtime.equipment import Equipment
from civitas.runtime.life import Life
from civitas.runtime.overview import Overviews
from civitas.runtime.timeline import Timeline
from civitas.runtime.tree import check_root, running, tree_of
from civitas.state import Retention, StateStore
from civitas.supervision import ChildSpec, Clock, Supervisor
from civitas.telemetry.scraping import Scraping
from civitas.telemetry.tracing import Tracing
from civitas.tools import ToolRegistry
from civitas.transport import check_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from civitas.edge import Edge
    from civitas.message import Message
    from civitas.models import ModelProvider
    from civitas.tools import ToolProvider
    from civitas.topology import Topology

__all__ = ["Runtime"]

logger = logging.getLogger("civitas")


class Runtime(Messenger):
    """Runs a supervision tree and lets the outside talk to it.

    Args:
        supervisor: The root of the tree.
        transport: What carries messages between OS processes: the name of a carrier that is built in or that a plugin
            brings. Without other OS processes there is nothing to carry, and it is `in_process`.
        state_store: Where agents keep their state; in memory by default, so that it ends with the runtime. Or a
            function without arguments that builds it: called when the runtime starts, and what it opened (a context
            manager that it returns, or ``(object, closer)``) closed when that stops. So may be the next one.
        model_provider: Becomes `self.llm` of every agent, with a span around each call.
        tools: Tools, or typed functions to make tools of; become `self.tools` of every agent, with spans.
        plugins: Pluggy plugins (modules or objects) beside those found by entry point.
        name: Name of the system.
        drain_timeout: Seconds `stop` waits for the mailboxes to run empty.
        conversations: What of the conversations of adapters is kept: ``Retention(keep=30 * 86400, longest=1000)``
            of `civitas.state`; all, for ever, by default. It holds in all OS processes of the system.
        prices: What models cost, in US dollars for a million tokens: ``{"gpt-5": {"in": 1.25, "out": 10}}``.
        results: Seconds that the answer of a durable agent is kept, for `result` and for whoever sends the same again
            under the same name.
        dead_letters: How many messages that nobody will handle are kept, the newest ones; 0 for none.
        clock: Of the supervisors and timers.
        processes: The other OS processes; `from_config` makes this of a topology that names some.
        edges: Ways by which programs outside reach the agents, such as `civitas.edge.http.HttpEdge`.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    @refuses_unknown_keywords
    def __init__(
        self,
        supervisor: Supervisor,
        *,
        transport: str = "in_process",
        state_store: StateStore | Callable[[], Any] | None = None,
        model_provider: ModelProvider | Callable[[], Any] | None = None,
        tools: Iterable[ToolProvider | Callable[..., Any]] | None = None,
        plugins: Iterable[object] = (),
        name: str = "civitas",
        drain_timeout: float = 30.0,
        conversations: Retention | None = None,
        prices: Mapping[str, Mapping[str, float]] | None = None,
        results: float = 24 * 3600.0,
        dead_letters: int = 1000,
        clock: Clock | None = None,
        processes: Processes | None = None,
        edges: Sequence[Edge] = (),
    ) -> None:
        check_root(supervisor)
        self.name = check_name(name, "a runtime's name")
        self.supervisor = supervisor
        self.drain_timeout = positive(drain_timeout, "drain_timeout", zero=True)
        self.plugins = plugins if isinstance(plugins, PluginManager) else PluginManager(plugins)
        check_transport(transport, self.plugins.transports(), carries=processes is not None)
        self._equipment = Equipment.of(state_store, model_provider)
        tracing = Tracing()
        tracing.redact = self.plugins.redactor()
        self._civitas_node = self._node = make_root(
            processes,
            store=self._equipment.store,
            tracing=tracing,
            llm=self._equipment.model_in(tracing),
            tools=None if tools is None else ToolRegistry(tools, tracing),
            clock=clock,
        )
        self._node.retention = conversations or self._node.retention
        self._node.budgets.purses.prices = Prices(prices)
        assert self._node.runs is not None  # it is the root
        self._runs = self._equipment.runs = self._node.runs
        self._runs.keep = positive(results, "results")
        for type in EVENT_TYPES if self.plugins.listens else ():
            self._node.events.on(type, self.plugins.emit)
        self._life = Life(self.name, supervisor, self._node, self._equipment, self)
        self._life.edges = edges
        self._administration = Administration(self._node)
        self.actions = Actions(self._node.events)
        dead = DeadLetters(self._node, self.actions, self._equipment, dead_letters, name)
        self.dead_letters, self.dead_letter = dead.list, dead.show
        self.replay, self.drop, self.scrape = dead.replay, dead.drop, Scraping(tracing, name).text
        self._overviews = Overviews(self.name, self._node, lambda: self._life.edge_url)
        self._timeline = Timeline(self._node.events)

    async def start(self, *, waiting: Callable[[str], None] | None = None) -> None:
        """Start the tree: each child ready before the next. If several roots may be started, wait until this one leads.

        Args:
            waiting: Called with a text that says which other one leads, each time that is another; logged by default.

        Raises:
            StartFailed: A child did not start, or the runtime was stopped meanwhile; what had started was stopped
                again.
            ConfigurationError: It is already running.
        """
        said = "runtime %r waits: %s"
        tell = waiting or (lambda text: logger.warning(said, self.name, text))
        await self._life.start(tell, self.drain_timeout)

    async def stop(self) -> None:
        """Take no more work from outside, let the mailboxes empty, and stop the children right to left.

        Bounded by `drain_timeout` and the children's shutdown timeouts; what is left in a mailbox is a dead letter. A
        second call waits for the first. A `start` that is still under way is abandoned, and raises `StartFailed`.
        """
        await self._life.stop(self.drain_timeout)

    async def wait(self) -> None:
        """Wait until the runtime has ended.

        Raises:
            SupervisorGaveUp: The root supervisor gave up.
        """
        await self._life.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def edge_url(self) -> str | None:
        """Where the HTTP edge can be reached, also with ``port: 0``; None without one and while nothing runs."""
        return self._life.edge_url

    async def start_child(self, supervisor: str, child: ChildSpec) -> None:
        """Add a child to a running supervisor, at the end, and start it; cancelled, it is stopped and forgotten.

        Raises:
            SupervisionError: `already_started`, `already_present`, `max_children`, or `not_found` (the supervisor).
            StartFailed: It did not start; it was not added.
        """
        await self._administration.start_child(supervisor, child)

    async def terminate_child(self, supervisor: str, name: str) -> None:
        """Stop a child; its spec is kept, unless it is temporary or the supervisor is dynamic.

        Raises:
            SupervisionError: `not_found`.
        """
        await self._administration.terminate_child(supervisor, name)
        self.actions.done("stop", name)

    async def restart_child(self, supervisor: str, name: str) -> None:
        """Start a child that was terminated or has ended.

        Raises:
            SupervisionError: `not_found`, `running` or `restarting`.
            StartFailed: It did not start.
        """
        await self._administration.restart_child(supervisor, name)
        self.actions.done("start", name)

    async def delete_child(self, supervisor: str, name: str) -> None:
        """Forget a child that does not run.

        Raises:
            SupervisionError: `not_found`, `running` or `restarting`.
        """
        await self._administration.delete_child(supervisor, name)

    async def restart(self, name: str) -> None:
        """Stop an agent or a supervisor and start it again; it does not count as a crash, and messages wait meanwhile.

        Raises:
            SupervisionError: `not_found`.
            StartFailed: It did not start; its supervisor goes on trying.
        """
        await self._administration.restart(name)
        self.actions.done("restart", name)

    async def pause(self, name: str) -> None:
        """Let an agent, or all below a supervisor or a pool, take no further messages until `resume`: they wait.

        Raises:
            SupervisionError: `not_found`.
        """
        await self._administration.pause(name, True)
        self.actions.done("pause", name)

    async def resume(self, name: str) -> None:
        """Let an agent that was paused go on, or all below a supervisor or a pool.

        Raises:
            SupervisionError: `not_found`.
        """
        await self._administration.pause(name, False)
        self.actions.done("resume", name)

    async def scale(self, name: str, replicas: int) -> None:
        """Let so many OS processes stand behind `name`, which has `replicas` in the topology; returns when they do.

        Those that are added get their share of what is new. One that is removed, the last first, finishes what it was
        sent; then its conversations go on in others, in order. The next root keeps the number, another start does not.

        Args:
            name: Of the agent or the pool.
            replicas: How many; at least 1.

        Raises:
            SupervisionError: `not_found`.
            StartFailed: One that was to be added did not start, and is not there.
            ConfigurationError: `name` has no replicas in the topology, or `replicas` is not a number of them.
        """
        await self._administration.scale(name, replicas)
        self.actions.done("scale", name)

    def which_children(self, supervisor: str) -> list[dict[str, str]]:
        """The children of a supervisor, in start order: `name`, `kind` and `status` of each."""
        return self._administration.which_children(supervisor)

    def count_children(self, supervisor: str) -> dict[str, int]:
        """How many `specs` a supervisor has, how many of them are `active`, `supervisors`, and `workers`."""
        return self._administration.count_children(supervisor)

    def tree(self) -> dict[str, Any]:
        """The supervision tree as nested plain data; see `docs/reference/runtime.md` for its keys."""
        tree = tree_of(running(self._life.root), self._node.scheduler.next_of)
        if (lead := self._node.lead) is not None:
            tree["leader"] = lead.leader.plain()
        return tree

    async def overview(self, under: str | None = None, since: int | None = None) -> Overview:
        """What every agent does at this moment, as plain data; nothing is kept or sent while nobody asks.

        Args:
            under: Only this agent or supervisor, and what is below it.
            since: The `version` of an earlier answer: only what has changed since, and the names that are gone. Where
                that cannot be told any more, the answer is `whole`.
        """
        return await self._overviews.look(running(self._life.root), under, since)

    async def inspect(self, name: str, profile: float | None = None) -> dict[str, Any]:
        """An `AgentNow`, and of an agent also an `Inspection`: its stack, errors, queue, state and conversations.

        With `profile`, a number of seconds up to 60, also a `Profile`: where its time goes meanwhile.

        Raises:
            NodeDown: Its OS process is down, or does not answer.
        """
        return await self._overviews.inspect(running(self._life.root), name, profile)

    async def budgets(self) -> list[dict[str, Any]]:
        """For every budget its `key`, whom it is `of`, its `limits`, and what is `used` and `left` of each."""
        return await self._node.budgets.states()

    async def raise_budget(self, key: str, more: Mapping[str, float]) -> None:
        """Let more, such as ``{"calls": 10}``, be spent of a budget from now on, also after a restart of the system.

        Args:
            key: Of the budget, as `budgets()` has it, such as ``agent:writer``.
            more: How much more of what.
        Raises:
            ConfigurationError: There is no such budget, or it has no limit for one of these.
        """
        await self._node.budgets.raise_limit(key, more)
        self.actions.done("raise_budget", key)

    def timeline(self, since: float | None = None) -> list[Event]:
        """What happened in the last hour, the oldest first: crashes, restarts, give-ups, processes that came and went.

        The newest 2,000 events are kept; neither starts nor dead letters are among them.

        Args:
            since: Only what happened after this, in Unix seconds.
        """
        return self._timeline.since(since)

    async def result(
        self, run: str, timeout: float | None = 30.0, *, final: bool = False
    ) -> Message:
        """The answer of a run of a durable agent; waits until it is there.

        If it asked a human, that is the question; once that is answered, what the run then came to.

        Args:
            run: Its name: what `ask` or `send` gave it, or `Message.run` of its answer, or `AskTimeout.run`.
            timeout: Seconds to wait; None waits for ever.
            final: Whether to wait for the answers to its questions, too, and return what it comes to in the end.

        Raises:
            UnknownRun: There is none of that name, or its answer is not kept any more.
            AskTimeout: It has no answer in time.
            DeliveryError: There is no answer; this is what its `ask` would have raised.
        """
        check_timeout(timeout)
        return await self._runs.asking.result(run, timeout, final=final)

    def runs(
        self, status: RunStatus | str | None = None, agent: str | None = None
    ) -> list[RunInfo]:
        """What is known of runs, as they were accepted: those that are not finished, and the last 10,000 that are.

        Args:
            status: Only those with this one: `accepted`, `running`, `waiting`, `done`, `failed`,
                `cancelled` or `expired`.
            agent: Only those of this agent, or pool.
        """
        chosen = None if status is None else choose(RunStatus, status, "status")
        return self._runs.asking.infos(chosen, agent)

    async def run_info(self, run: str) -> RunInfo:
        """What is known of one run of a durable agent.

        Raises:
            UnknownRun: There is none of that name, or its answer is not kept any more.
        """
        return await self._runs.asking.info(run)

    async def cancel(self, run: str) -> bool:
        """End a run, its handler is cancelled: whoever waits gets `RunCancelled`; False if it is not there, or over."""
        if cancelled := await self._runs.cancel(run):
            self.actions.done("cancel", run)
        return cancelled

    def on(self, event_type: str, callback: Callback) -> Callable[[], None]:
        """Call `callback`, sync or async, with each `Event` of a type; one that raises is logged and skipped.

        Returns:
            A function that ends it.
        """
        return self._node.events.on(event_type, callback)

    @classmethod
    def from_config(
        cls,
        config: str | Path | Mapping[str, Any] | Topology,
        agent_classes: Mapping[str, type[AgentProcess]] | None = None,
        **keywords: Any,
    ) -> Self:
        """Build a runtime from a topology: a YAML file, or the same as a dict.

        Args:
            config: Path of the file, or a mapping of the same form; also what `civitas.topology.load` returned.
            agent_classes: Short names for `type:`.
            **keywords: Of `Runtime`; they win over the file.

        Raises:
            TopologyError: The topology cannot be run; names file, line and the nearest valid word.
            ConfigurationError: Another argument does not fit.
        """
        # Imported here: it brings pydantic, which a runtime built in Python does without.
        from civitas.runtime.configured import configured

        found = configured(config, agent_classes, keywords)
        runtime = cls(found.tree, **found.keywords)
        runtime._equipment.owns_store |= found.owns_store
        runtime._equipment.holds = found.holds
        runtime._life.edges = [*found.edges, *runtime._life.edges]
        return runtime
