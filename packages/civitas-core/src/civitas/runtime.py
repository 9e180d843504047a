"""`Runtime`: the root of a system, which runs the supervision tree."""

from __future__ import annotations

import asyncio
import difflib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from civitas.cluster import Processes, RemoteChild, RemoteConversation, make_root
from civitas.errors import CivitasError, ConfigurationError, StartFailed, SupervisionError
from civitas.events import EVENT_TYPES
from civitas.models import TracedModel
from civitas.node import Callback
from civitas.node.administration import administering, agents_below, refuse_to_wait
from civitas.plugins import PluginManager
from civitas.process import (
    AgentProcess,
    Cell,
    Context,
    ExitReason,
    Messenger,
    Status,
    forget_those_of_the_dead,
)
from civitas.process.built_late import BuiltLate, provided
from civitas.process.options import check_name, positive
from civitas.state import InMemoryStateStore, StateStore
from civitas.supervision import (
    Child,
    ChildSpec,
    Clock,
    Parent,
    Supervisor,
    SupervisorProcess,
)
from civitas.telemetry.setup import setup_from_environment
from civitas.telemetry.tracing import Tracing
from civitas.tools import ToolRegistry
from civitas.transport import check_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from civitas.launch import Hold
    from civitas.models import ModelProvider
    from civitas.tools import ToolProvider
    from civitas.topology import Topology

__all__ = ["Runtime"]

logger = logging.getLogger("civitas")

_STORE = ("get", "set", "delete")
_MODEL = ("chat",)
_ACTIVE = (Status.STARTING, Status.RUNNING, Status.STOPPING)


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
        tools: Tools, or typed functions to make tools of; become `self.tools` of every agent, with a span around each
            call.
        plugins: Pluggy plugins (modules or objects) beside those found by entry point.
        name: Name of the system.
        drain_timeout: Seconds `stop` waits for the mailboxes to run empty.
        clock: Of the supervisors and timers.
        processes: The other OS processes; `from_config` makes this of a topology that names some.

    Raises:
        ConfigurationError: An argument does not fit.
    """

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
        clock: Clock | None = None,
        processes: Processes | None = None,
    ) -> None:
        if not isinstance(supervisor, Supervisor):
            raise ConfigurationError(
                f"Runtime takes a Supervisor, the root of the tree; got {supervisor!r}. "
                'Write Runtime(Supervisor("root", children=[...]))'
            )
        self.name = check_name(name, "a runtime's name")
        self.supervisor = supervisor
        self.drain_timeout = positive(drain_timeout, "drain_timeout", zero=True)
        self.plugins = plugins if isinstance(plugins, PluginManager) else PluginManager(plugins)
        check_transport(transport, self.plugins.transports(), carries=processes is not None)
        store: Any = InMemoryStateStore()
        if state_store is not None:
            store = provided(state_store, "state_store", _STORE, "SQLiteStateStore(path)")
        model = model_provider
        if model is not None:
            model = provided(model, "model_provider", _MODEL, "an object with `chat`")
        self._owns_store = state_store is None or isinstance(store, BuiltLate)
        self._late_model = model if isinstance(model, BuiltLate) else None
        tracing = Tracing()
        self._node = make_root(
            processes,
            store=store,
            tracing=tracing,
            llm=None if model is None else TracedModel(model, tracing),
            tools=None if tools is None else ToolRegistry(tools, tracing),
            clock=clock,
        )
        for type in EVENT_TYPES if self.plugins.listens else ():
            self._node.events.on(type, self.plugins.emit)
        self._holds: Sequence[Hold] = ()
        self._root: SupervisorProcess | None = None
        self._starting: _Start | None = None
        self._finished: asyncio.Future[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    def _civitas_line(self) -> tuple[Context, None]:
        return self._node, None

    # Life.

    async def start(self) -> None:
        """Start the tree: each child ready before the next.

        Raises:
            StartFailed: A child did not start, or the runtime was stopped meanwhile; what had started was stopped
                again.
            ConfigurationError: It runs already.
        """
        if self._root is not None and not self._node.loop.is_closed():
            raise ConfigurationError(f"runtime {self.name!r} runs already; stop() it first")
        self._starting = starting = _Start()
        try:
            await self._start(starting)
        finally:
            self._starting = None
            starting.over.set()

    async def _start(self, starting: _Start) -> None:
        node = self._node
        node.attach()
        self._telemetry = setup_from_environment()
        node.tracing.refresh()
        self._finished = node.loop.create_future()
        self._stopping = None
        node.clear()
        try:
            for hold in self._holds:
                await hold.take()
            await self._open_store()
            if not isinstance(node.store, InMemoryStateStore):
                await forget_those_of_the_dead(node.store, set(_names(self.supervisor)))
            await node.assemble()
        except BaseException:
            await self._close()
            self._unless_stopped(starting)
            raise
        self._root = root = SupervisorProcess(self.supervisor, node)
        try:
            await root.start(self._root_ended)
            if starting.stopped:
                raise asyncio.CancelledError  # its cancellation got lost in a child
        except BaseException:
            self._root = None
            await root.stop("the runtime did not start")  # what a second cancellation left undone
            root.close(Status.TERMINATED, "the runtime did not start")
            await self._close()
            self._unless_stopped(starting)
            raise
        node.open = True

    async def _open_store(self) -> None:
        """Let a store that can be opened say now what is wrong with it, and not where the first agent needs it."""
        opening = getattr(self._node.store, "open", None)
        if opening is not None:
            await opening()
        if self._late_model is not None:
            await self._late_model.open()

    def _unless_stopped(self, starting: _Start) -> None:
        """Say of a start that was given up that it was; its cancellation goes no further."""
        if starting.stopped:
            starting.task.uncancel()
            why = CivitasError(f"runtime {self.name!r} was stopped while it started")
            raise StartFailed(self.supervisor.name, why) from None

    async def stop(self) -> None:
        """Take no more work from outside, let the mailboxes run empty, and stop the children right to left.

        Bounded by `drain_timeout` and the children's shutdown timeouts; what is left in a mailbox is a dead letter. A
        second call waits for the first. A `start` that is still under way is given up, and raises `StartFailed`.
        """
        if self._root is None and self._starting is None:
            return
        if asyncio.get_running_loop() is not self._node.loop:
            raise ConfigurationError(
                f"runtime {self.name!r} runs on another event loop; stop it there, as with "
                "asyncio.run_coroutine_threadsafe(runtime.stop(), loop)"
            )
        if self._starting is not None:
            await self._starting.stop()
            return
        refuse_to_wait("stop()", "no agent works any more")
        if self._root is not None and self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(self._root))
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def wait(self) -> None:
        """Wait until the runtime has ended.

        Raises:
            SupervisorGaveUp: The root supervisor gave up.
        """
        if self._finished is None:
            raise ConfigurationError("the runtime was never started; there is nothing to wait for")
        refuse_to_wait("wait()", "the runtime has ended")
        await asyncio.shield(self._finished)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _stop(self, root: SupervisorProcess) -> None:
        self._node.close_door()
        try:
            async with asyncio.timeout(self.drain_timeout):
                await self._node.drained()
        except TimeoutError:
            logger.warning(
                "runtime %r: mailboxes were not empty after drain_timeout=%g s; what is left is dropped",
                self.name,
                self.drain_timeout,
            )
        await root.stop("the runtime was stopped")
        root.close(Status.TERMINATED, "the runtime was stopped")
        self._root = None
        await self._close()
        self._finish(root.gave_up)

    async def _close(self) -> None:
        try:
            await self._close_node()
        finally:
            for hold in self._holds:
                hold.release()

    async def _close_node(self) -> None:
        await self._node.dismiss()
        await self._node.detach()
        if self._owns_store:
            close = getattr(self._node.store, "close", None)
            if close is not None:
                await close()
        if self._late_model is not None:
            await self._late_model.close()
        if self._telemetry.tracing or self._telemetry.metrics:
            # In a thread: with a collector that does not answer, an export waits for seconds.
            with ThreadPoolExecutor(1, "civitas-telemetry") as thread:
                await asyncio.get_running_loop().run_in_executor(thread, self._telemetry.flush)

    def longest_shutdown(self) -> float | None:
        """The longest `shutdown_timeout` of the agents there are now; None where one may take for ever."""
        timeouts = [cell.shutdown_timeout for cell in list(self._node.registry.values())]
        return None if None in timeouts else max(filter(None, timeouts), default=0.0)

    def _root_ended(self, reason: ExitReason) -> None:
        """The root ended by itself; nobody is left to answer that but whoever waits for the runtime."""
        if self._root is not None:
            self._finish(
                self._root.gave_up
                or CivitasError(f"supervisor {self._root.name!r} ended: {reason}")
            )

    def _finish(self, error: CivitasError | None) -> None:
        finished = self._finished
        if finished is None or finished.done():
            return
        if error is None:
            finished.set_result(None)
        else:
            finished.set_exception(error)
            finished.exception()  # whoever does not wait() reads it in the log

    # Child administration.

    async def start_child(self, supervisor: str, child: ChildSpec) -> None:
        """Add a child to a running supervisor, at the end, and start it; cancelled, it is stopped and forgotten.

        Raises:
            SupervisionError: `already_started`, `already_present`, `max_children`, or `not_found` (the supervisor).
            StartFailed: It did not start; it was not added.
        """
        parent = self._parent(supervisor)
        starts = agents_below(child)
        with administering(self._node, parent, "start_child", waits_for=starts):
            await parent.start_child(child)

    async def terminate_child(self, supervisor: str, name: str) -> None:
        """Stop a child; its spec is kept, unless it is temporary or the supervisor is dynamic.

        Raises:
            SupervisionError: `not_found`.
        """
        parent = self._parent(supervisor)
        with self._ending(parent, "terminate_child", name):
            await parent.terminate_child(name)

    async def restart_child(self, supervisor: str, name: str) -> None:
        """Start a child that was terminated or has ended.

        Raises:
            SupervisionError: `not_found`, `running` or `restarting`.
            StartFailed: It did not start.
        """
        parent = self._static(supervisor)
        starts = self._below(parent, name)
        with administering(self._node, parent, f"restart_child({name!r})", waits_for=starts):
            await parent.restart_child(name)

    async def delete_child(self, supervisor: str, name: str) -> None:
        """Forget a child that does not run.

        Raises:
            SupervisionError: `not_found`, `running` or `restarting`.
        """
        parent = self._static(supervisor)
        with administering(self._node, parent, f"delete_child({name!r})"):
            await parent.delete_child(name)

    async def restart(self, name: str) -> None:
        """Stop an agent or a supervisor and start it again; it counts as no crash, and messages wait meanwhile.

        Raises:
            SupervisionError: `not_found`.
            StartFailed: It did not start; its supervisor goes on trying.
        """
        owner = self._node.owner(name)
        if owner is None:
            raise SupervisionError("not_found", f"no supervisor has a child {name!r}")
        with self._ending(owner, "restart", name):
            await owner.recycle(name)

    def _ending(self, parent: Parent, what: str, name: str) -> AbstractContextManager[None]:
        call = f"{what}({name!r})"
        below = self._below(parent, name)
        return administering(self._node, parent, call, ends=name, waits_for=below)

    def _below(self, parent: Parent, name: str) -> list[str]:
        return [
            agent
            for child in parent.children
            if child.name == name
            for agent in agents_below(child)
        ]

    def which_children(self, supervisor: str) -> list[dict[str, str]]:
        """The children of a supervisor, in start order: `name`, `kind` and `status` of each."""
        return [
            {"name": child.name, "kind": child.kind, "status": str(child.status)}
            for child in self._parent(supervisor).children
        ]

    def count_children(self, supervisor: str) -> dict[str, int]:
        """How many `specs` a supervisor has, how many of them are `active`, `supervisors`, and `workers`."""
        children = self._parent(supervisor).children
        workers = sum(child.kind == "agent" for child in children)
        return {
            "specs": len(children),
            "active": sum(child.status in _ACTIVE for child in children),
            "supervisors": len(children) - workers,
            "workers": workers,
        }

    def _parent(self, name: str) -> Parent:
        parent = self._node.supervisors.get(name)
        if parent is None:
            near = difflib.get_close_matches(name, self._node.supervisors, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SupervisionError("not_found", f"there is no supervisor {name!r}{hint}")
        return parent

    def _static(self, name: str) -> SupervisorProcess:
        parent = self._parent(name)
        if not isinstance(parent, SupervisorProcess):
            raise SupervisionError(
                "not_found", f"{name!r} is dynamic: it keeps no spec of a child that ended"
            )
        return parent

    # What there is.

    def tree(self) -> dict[str, Any]:
        """The supervision tree as nested plain data; see `docs/reference/runtime.md` for its keys."""
        root = self._root
        if root is None:
            raise ConfigurationError("the runtime is not running; there is no tree to show")
        return _tree(root)

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
        """
        # Imported here: it brings pydantic, which a runtime built in Python does without.
        from civitas import topology

        plugins = PluginManager(keywords.get("plugins", ()))
        loaded = topology.load(config)
        if "transport" in keywords:
            loaded = topology.carried_by(loaded, keywords["transport"], plugins)
        tree = topology.build(
            loaded, agent_classes=agent_classes, plugins=plugins, leave_out=keywords
        )
        options = topology.runtime_options(loaded, plugins=plugins, leave_out=keywords)
        owns_store = "state_store" in options
        processes = topology.processes_of(loaded)
        holds = topology.holds_of(loaded, options.get("state_store"))
        if processes:
            told = topology.boot_data(loaded, agent_classes or {}, keywords)
            links = topology.Links(loaded, plugins)
            access = links.access()
            options["processes"] = Processes(
                processes,
                links.for_root(access),
                topology.serializer_of(loaded),
                {**told, "access": asdict(access)},
                access.token,
                holds,
            )
        else:
            options.pop("transport", None)  # it may stand there before anything is to be carried
        runtime = cls(tree, **{**options, **keywords, "plugins": plugins})
        runtime._owns_store = runtime._owns_store or owns_store
        runtime._holds = holds
        return runtime


class _Start:
    """A start that is under way, and how to give it up."""

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # `start` is a coroutine
        self.task = task
        self.stopped = False
        self.over = asyncio.Event()

    async def stop(self) -> None:
        """Give it up, and wait until nothing of it is left."""
        if not self.stopped:
            self.stopped = True
            self.task.cancel()
        await self.over.wait()


def _names(child: ChildSpec) -> Iterator[str]:
    """The names in a tree that is not started yet."""
    yield child.name
    for each in getattr(child, "children", ()):
        yield from _names(each)


def _tree(child: Child) -> dict[str, Any]:
    depth = getattr(child, "mailbox_depth", 0)
    elsewhere = child if isinstance(child, (RemoteChild, RemoteConversation)) else None
    return {
        "name": child.name,
        "kind": child.kind,
        "status": str(child.status),
        "node": "root" if elsewhere is None else elsewhere.node,
        "pid": os.getpid() if elsewhere is None else elsewhere.pid,
        "restarts": child.restarts,
        "mailbox_depth": len(child.mailbox) if isinstance(child, Cell) else depth,
        "children": [_tree(each) for each in getattr(child, "children", ())],
    }
