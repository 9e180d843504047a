"""`build`: from a checked topology to the `Supervisor` that a runtime runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from civitas.errors import ConfigurationError, PluginError, StartFailed
from civitas.errors.hints import nearest
from civitas.plugins import PluginManager
from civitas.process import AgentProcess, ChildKind, Delivery, RestartType
from civitas.process.declared import check_callbacks
from civitas.process.keywords import keywords_of
from civitas.process.resources import needs_a_loop
from civitas.state import Retention
from civitas.supervision import (
    ChildSpec,
    ConversationPool,
    DynamicSupervisor,
    Placed,
    Supervisor,
)
from civitas.topology.grammar import (
    AGENT_KEYWORDS,
    AgentEntry,
    ConversationPoolEntry,
    DynamicSupervisorEntry,
    SupervisorEntry,
    Topology,
)
from civitas.topology.late import MadeLate
from civitas.topology.limits import beyond, missing_places, not_installed
from civitas.topology.links import Links
from civitas.topology.positions import Path
from civitas.topology.problems import Problem, named_in, topology_error, unknown_word
from civitas.topology.provided import make_provided, provided_problems
from civitas.topology.resolving import Unresolved, add_to_path, resolve
from civitas.topology.servers import mcp_of, mcp_problems
from civitas.topology.trial import Trial

__all__ = ["Builder", "build", "retention_of", "runtime_options"]


def build(
    topology: Topology,
    *,
    agent_classes: Mapping[str, type[AgentProcess]] | None = None,
    plugins: PluginManager | None = None,
    leave_out: Collection[str] = (),
) -> Supervisor:
    """Make the supervision tree of a topology: imports what it names and constructs its agents.

    The topology's folder is put on `sys.path` first, so that modules beside it are found.

    Args:
        topology: What `load` returned.
        agent_classes: Short names for `type:`; they win over those of plugins.
        plugins: The plugins of the runtime.
        leave_out: Keywords of `Runtime` given otherwise; what the topology says instead is not looked at.
    Raises:
        TopologyError: Something in it, its state store, model and tools included, leads nowhere, does not fit the
            constructor it is meant for, or is not in this version yet. All of it in one text.
        StartFailed: A module or a constructor raised; `.cause` is what it raised.
    """
    builder = Builder(topology, agent_classes or {}, plugins or PluginManager())
    return builder.build(leave_out)


def runtime_options(
    topology: Topology, *, plugins: PluginManager | None = None, leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """The keywords of `Runtime` that a topology gives.

    Args:
        topology: What `load` returned.
        plugins: The plugins of the runtime, which know the state stores.
        leave_out: Keywords given otherwise; what is among them is not made.
    Raises:
        TopologyError: The state store, the model or a tool is unknown, or its keywords do not fit.
    """
    plugins = plugins or PluginManager()
    options: dict[str, Any] = {
        "name": topology.name,
        "transport": topology.transport.type,
        "drain_timeout": topology.runtime.drain_timeout,
    }
    if topology.conversations.given():
        options["conversations"] = retention_of(topology)
    if topology.prices:
        options["prices"] = topology.prices
    if topology.results.given():
        options["results"] = topology.results.keep
    if "dead_letters" in topology.runtime.stated:
        options["dead_letters"] = topology.runtime.dead_letters
    options |= make_provided(topology, plugins, leave_out)
    return {key: value for key, value in options.items() if key not in leave_out}


def retention_of(topology: Topology) -> Retention:
    """What of conversations is kept."""
    return Retention(**topology.conversations.given())


class Builder:
    """Makes what a topology names.

    Args:
        topology: What `load` returned.
        agent_classes: Short names for `type:`, for classes or for their paths.
        plugins: The plugins of the runtime.
    """

    def __init__(
        self,
        topology: Topology,
        agent_classes: Mapping[str, type[AgentProcess] | str],
        plugins: PluginManager,
    ) -> None:
        self._topology = topology
        self._source = topology.source
        self._agent_classes = agent_classes
        self._plugins = plugins
        self._problems: list[Problem] = []
        self._made: list[tuple[Path, AgentEntry, AgentProcess | ConversationPool]] = []

    def build(self, leave_out: Collection[str]) -> Supervisor:
        """Make the tree; see `build`."""
        state = self._topology.state
        forgets = "state_store" not in leave_out and (state is None or state.type == "memory")
        # Before any module of the user's: an adapter keeps its framework from phoning home, if it comes first.
        self._plugins.load()
        links = Links(self._topology, self._plugins)
        self._problems = links.problems()
        elects = not self._problems and links.elects
        self._problems += beyond(self._topology, forgets=forgets)
        self._problems += mcp_problems(self._topology)
        self._problems += not_installed(self._topology, elects=elects)
        self._problems += missing_places(self._topology, opens_state="state_store" not in leave_out)
        self._raise_problems()
        if self._source.folder is not None:
            add_to_path(self._source.folder)
        servers = mcp_of(self._topology)
        root = self._supervisor(("supervision",), self._topology.supervision, servers)
        self._problems += provided_problems(self._topology, self._plugins, leave_out)
        self._raise_problems()
        return root

    def all_of(self, process: str) -> None:
        """Make every agent of an OS process, to find out whether that works; raises as `build`."""
        self.get_ready()
        for path, entry in self._topology.agents_of(process):
            try:
                _pooled(entry, self._agent(path, entry))
            except _Wrong as wrong:
                self._problems += wrong.problems
        self._raise_problems()

    async def try_out(self) -> None:
        """Open what each agent that was made opens when it starts, and close it again; raises as `build`."""
        for path, entry, made in self._made:
            async with Trial() as trial:
                try:
                    await trial.open(made)
                except PluginError:
                    raise
                except ConfigurationError as error:
                    self._problems += self._blame(path, entry, error)
        self._raise_problems()

    def get_ready(self) -> None:
        """Let what the topology names be found, for `one`."""
        self._plugins.load()
        if self._source.folder is not None:
            add_to_path(self._source.folder)

    def one(self, name: str) -> AgentProcess | ConversationPool:
        """Make the agent or the pool `name`, for the process that hosts it."""
        path, entry = self._topology.agents.get(name, ((), None))
        if entry is None:
            raise ConfigurationError(
                f"the topology of this process has no agent {name!r}; was the file changed since the root started?"
            )
        try:
            return _pooled(entry, self._agent(path, entry))
        except _Wrong as wrong:
            raise topology_error(wrong.problems, self._source.file) from wrong.__cause__

    def _raise_problems(self) -> None:
        if self._problems:
            raise topology_error(self._problems, self._source.file)

    def _supervisor(
        self, path: Path, entry: SupervisorEntry, first: Iterable[ChildSpec] = ()
    ) -> Supervisor:
        children = [*first]
        for i, child in enumerate(entry.children):
            place = (*path, "children", i, child.kind)
            if isinstance(child.entry, SupervisorEntry):
                children.append(self._supervisor(place, child.entry))
            elif isinstance(child.entry, AgentEntry) and child.entry.process:
                children.append(_placed(child.entry, entry))
            elif isinstance(child.entry, AgentEntry):
                try:
                    agent = self._agent(place, child.entry)
                except _Wrong as wrong:
                    self._problems += wrong.problems
                    continue
                children.append(_pooled(child.entry, agent))
            elif isinstance(child.entry, DynamicSupervisorEntry):
                name = child.entry.name
                children.append(DynamicSupervisor(name, **child.entry.given("name")))
        return Supervisor(entry.name, children, **entry.given("name", "children"))

    def _agent(self, path: Path, entry: AgentEntry) -> AgentProcess | ConversationPool:
        try:
            agent = self._typed(path, entry) if entry.type else self._wrapped(path, entry)
        except PluginError:
            raise
        except ConfigurationError as error:
            raise _Wrong(self._blame(path, entry, error)) from error
        except (_Wrong, KeyboardInterrupt):
            raise
        # A module may do anything when it is imported, sys.exit() too.
        except (Exception, SystemExit) as error:
            raise StartFailed(entry.name, error) from error
        if isinstance(agent, AgentProcess):
            try:
                check_callbacks(type(agent), AgentProcess)
            except ConfigurationError as error:
                raise self._wrong((*path, "type"), str(error)) from error
        if getattr(agent, "name", None) != entry.name:
            raise self._wrong(
                (*path, "type"),
                f"{type(agent).__name__} must pass its name on: "
                "super().__init__(name, **keywords) in its __init__",
            )
        self._made.append((path, entry, agent))
        return agent

    def _typed(self, path: Path, entry: AgentEntry) -> AgentProcess:
        kind = self._class(path, entry.type)
        keywords = keywords_of(kind)
        accepted = [name for name in keywords.names if name != "name"]
        unknown = [
            key
            for key in entry.stated.intersection(AGENT_KEYWORDS).union(entry.further)
            if key not in keywords.names
        ]
        problems = [
            self._source.problem(
                (*path, key),
                unknown_word("key", key, [*_own_keys(entry), *accepted], kind.__name__),
            )
            for key in unknown
        ]
        # A constructor with **keywords may take more than it shows; what is under args is meant for it.
        if not keywords.hands_on:
            problems += [
                self._source.problem(
                    (*path, "args", key),
                    unknown_word("key", key, accepted, f"the arguments of {kind.__name__}"),
                )
                for key in entry.args
                if key not in keywords.names
            ]
        given = entry.keywords()
        problems += [
            self._source.problem(
                path,
                f"{kind.__name__} needs {name!r}{_meant(name, set(entry.args) - set(accepted))}",
            )
            for name in keywords.required
            if name != "name" and name not in given
        ]
        if problems:
            raise _Wrong(problems)
        try:
            return kind(entry.name, **given)
        except RuntimeError as error:
            if not needs_a_loop(error):
                raise
            own = {key: value for key, value in given.items() if key in AGENT_KEYWORDS}
            return MadeLate(entry.name, make=lambda: kind(entry.name, **given), **own)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # from within the constructor
            raise self._wrong(
                (*path, "type"), f"{error}; its first argument is the name"
            ) from error

    def _wrapped(self, path: Path, entry: AgentEntry) -> AgentProcess | ConversationPool:
        obj = self._resolve((*path, "wrap"), entry.wrap)
        from civitas.frameworks.wrapping import wrap_with

        return wrap_with(self._plugins, obj, entry.name, entry.keywords())

    def _class(self, path: Path, name: str) -> type[AgentProcess]:
        short = {**self._plugins.agent_types(), **self._agent_classes}
        place = (*path, "type")
        if name in short:
            given = short[name]
            kind = self._resolve(place, given) if isinstance(given, str) else given
        elif "." in name or ":" in name:
            kind = self._resolve(place, name)
        else:
            text = f"write {name!r} as package.module.Class"
            if short:
                text = f"{unknown_word('agent type', name, sorted(short))}; or {text}"
            raise self._wrong(place, text)
        if not (isinstance(kind, type) and issubclass(kind, AgentProcess)):
            what = (
                f"the class {kind.__name__}"
                if isinstance(kind, type)
                else f"a {type(kind).__name__}"
            )
            raise self._wrong(
                place,
                f"{name!r} is not a subclass of AgentProcess but {what}; "
                "a framework's graph, agent or crew is named by 'wrap'",
            )
        return kind

    def _resolve(self, path: Path, reference: str) -> Any:
        try:
            return resolve(reference, self._source.folder)
        except Unresolved as error:
            raise self._wrong(path, str(error)) from None

    def _blame(self, path: Path, entry: AgentEntry, error: Exception) -> list[Problem]:
        """The problem `error`, at the line of the key that it names."""
        key = named_in(str(error), entry.keywords()) or ("type" if entry.type else "wrap")
        path = (*path, "args", key) if key in entry.args else (*path, key)
        return [self._source.problem(path, str(error))]

    def _wrong(self, path: Path, text: str) -> _Wrong:
        return _Wrong([self._source.problem(path, text)])


def _meant(name: str, others: Collection[str]) -> str:
    near = nearest(name, others)
    return f"; is {near!r} meant for it?" if near else ""


def _pooled(
    entry: AgentEntry, agent: AgentProcess | ConversationPool
) -> AgentProcess | ConversationPool:
    """The agent, or the pool that it is the template of."""
    if isinstance(entry, ConversationPoolEntry):
        return ConversationPool(entry.name, agent, **entry.pool_keywords())  # type: ignore[arg-type]  # it checks
    return agent


def _placed(entry: AgentEntry, above: SupervisorEntry) -> ChildSpec:
    """The child of `above` that runs in a process of its own; a supervisor of several if it has replicas."""
    kind = ChildKind.CONVERSATION_POOL if entry.is_pool else ChildKind.AGENT
    # The `restart` of a pool is that of the agents in it.
    restart = RestartType.PERMANENT if entry.is_pool else entry.restart
    given = entry.keywords()
    durable = given.get("durable") is True or given.get("delivery") == Delivery.DURABLE
    delivery = Delivery.DURABLE if durable else Delivery.AT_LEAST_ONCE
    family = entry.name if entry.replicas > 1 else ""
    known = {"delivery": delivery, "max_deliveries": given.get("max_deliveries", 3)}
    replicas = [
        Placed(name, process, kind, restart, family=family, **known)
        for name, process in entry.places()
    ]
    if not family:
        return replicas[0]
    # Each crash of one counts against what they may have together: as much as the children beside them.
    limits = above.given("name", "children", "strategy", "restart", "budget", "budget_exceeded")
    return Supervisor(entry.name, replicas, **limits)


def _own_keys(entry: AgentEntry) -> list[str]:
    """The keys of an entry that its constructor does not know."""
    return [key for key in entry.declared() if key not in ("name", "wrap", *AGENT_KEYWORDS)]


class _Wrong(Exception):
    """One agent cannot be made; the others are still looked at."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(problems)
