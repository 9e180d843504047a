"""The grammar of a topology: each class a mapping, each field a key with the type that `values` gives to what is there.

These classes say what may be written, and hold what was; `validation` makes pydantic models of them, which read it, and
whoever only looks at a topology does without pydantic. `checks` says what must hold between several places; `limits`
what this version cannot run yet; `descriptions` what each key is for. `schema` makes a JSON Schema of both for editors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from civitas.message import Serializer
from civitas.process import Delivery, OnAmbiguous, RestartType
from civitas.process.schedule import Missed
from civitas.supervision import BackoffPolicy, RestartStrategy
from civitas.topology.entries import (
    ConversationsEntry,
    EdgeEntry,
    HttpEntry,
    McpEntry,
    OpenEntry,
    ProcessEntry,
    ProvidedEntry,
    ResultsEntry,
    RuntimeEntry,
    TopologyEntry,
    TransportEntry,
)
from civitas.topology.source import Source

if TYPE_CHECKING:
    from civitas.topology.positions import Path
    from civitas.topology.values import (
        Backoff,
        BudgetMap,
        Count,
        CountOrZero,
        CronText,
        DeliveryWord,
        Duration,
        ExceededWord,
        MissedWord,
        Name,
        OnAmbiguousWord,
        PricesMap,
        Replicas,
        Restart,
        Seconds,
        SecondsOrZero,
        SerializerWord,
        Strategy,
        Switch,
        Text,
        TimezoneText,
    )

__all__ = [
    "AGENT_KEYWORDS",
    "SECRET_KEYS",
    "AgentEntry",
    "ChildEntry",
    "ConversationPoolEntry",
    "ConversationsEntry",
    "DynamicSupervisorEntry",
    "EdgeEntry",
    "HttpEntry",
    "McpEntry",
    "ProcessEntry",
    "ProvidedEntry",
    "ResultsEntry",
    "RuntimeEntry",
    "SupervisorEntry",
    "Topology",
    "TopologyEntry",
    "TransportEntry",
]

SECRET_KEYS = frozenset({"password", "token", "secret", "api_key", "apikey"})
"""Keys whose values are secrets, wherever they stand."""

_IN_PROCESS = TransportEntry(type="in_process")


@dataclass(frozen=True, kw_only=True)
class AgentEntry(OpenEntry):
    """An agent: `type` or `wrap`, and keywords of the constructor of its class or adapter."""

    name: Name
    type: Text = ""
    wrap: Text = ""
    args: dict[str, Any] = field(default_factory=dict)
    process: Name = ""
    replicas: Replicas = 1
    expose: Switch = False

    # Those of every agent, known here so that a wrong one is found without importing anything.
    mailbox_size: Count = 1000
    restart: Restart = RestartType.PERMANENT
    shutdown_timeout: SecondsOrZero | None = 30.0
    max_retries: CountOrZero = 3
    handle_timeout: Seconds | None = None
    cancel_on_timeout: Switch = False
    delivery: DeliveryWord = Delivery.AT_MOST_ONCE
    max_deliveries: Count = 3
    on_ambiguous: OnAmbiguousWord = OnAmbiguous.REPEAT
    schedule: CronText | None = None
    timezone: TimezoneText | None = None
    every: Duration | None = None
    missed: MissedWord = Missed.ONCE
    schedule_payload: Any = None
    budget: BudgetMap | None = None
    budget_exceeded: ExceededWord = "refuse"

    def places(self) -> list[tuple[str, str]]:
        """The agents that it stands for, each with its OS process: more than one if it has replicas."""
        if self.replicas == 1:
            return [(self.name, self.process)]
        return [(f"{self.name}-{n}", f"{self.process}-{n}") for n in range(1, self.replicas + 1)]

    @property
    def is_pool(self) -> bool:
        """Whether it has one process for each conversation."""
        return bool(self.wrap) and self.keywords().get("per_conversation") is True

    def keywords(self) -> dict[str, Any]:
        """What to call the constructor with beside the name, as far as it is in the file."""
        declared = {key: value for key, value in self.given().items() if key in AGENT_KEYWORDS}
        return {**declared, **self.further, **self.args}


AGENT_KEYWORDS = (
    "mailbox_size",
    "restart",
    "shutdown_timeout",
    "max_retries",
    "handle_timeout",
    "cancel_on_timeout",
    "delivery",
    "max_deliveries",
    "on_ambiguous",
    "schedule",
    "timezone",
    "every",
    "missed",
    "schedule_payload",
    "budget",
    "budget_exceeded",
)
"""The keywords that every agent takes."""


@dataclass(frozen=True, kw_only=True)
class ConversationPoolEntry(AgentEntry):
    """A pool with one process for each conversation; the other keys, `restart` too, describe the agent in them."""

    idle_timeout: Seconds = 600.0
    max_live: Count = 1000
    max_restarts: CountOrZero = 3
    restart_window: Seconds = 60.0
    backoff: Backoff = BackoffPolicy.EXPONENTIAL
    backoff_base: SecondsOrZero = 0.01
    backoff_max: SecondsOrZero = 60.0

    @property
    def is_pool(self) -> bool:
        """Whether it has one process for each conversation."""
        return True

    def pool_keywords(self) -> dict[str, Any]:
        """The keywords of the pool itself that are in the file."""
        return self.given(*AgentEntry.declared())


@dataclass(frozen=True, kw_only=True)
class DynamicSupervisorEntry(TopologyEntry):
    """A supervisor whose children come at run time."""

    name: Name
    max_children: CountOrZero | None = None
    max_restarts: CountOrZero = 3
    restart_window: Seconds = 60.0
    backoff: Backoff = BackoffPolicy.EXPONENTIAL
    backoff_base: SecondsOrZero = 0.01
    backoff_max: SecondsOrZero = 60.0
    restart: Restart = RestartType.PERMANENT
    budget: BudgetMap | None = None
    budget_exceeded: ExceededWord = "refuse"


@dataclass(frozen=True, kw_only=True)
class SupervisorEntry(TopologyEntry):
    """A supervisor and its children, in start order."""

    name: Name
    strategy: Strategy = RestartStrategy.ONE_FOR_ONE
    max_restarts: CountOrZero = 3
    restart_window: Seconds = 60.0
    backoff: Backoff = BackoffPolicy.EXPONENTIAL
    backoff_base: SecondsOrZero = 0.01
    backoff_max: SecondsOrZero = 60.0
    restart: Restart = RestartType.PERMANENT
    budget: BudgetMap | None = None
    budget_exceeded: ExceededWord = "refuse"
    children: list[ChildEntry] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ChildEntry(TopologyEntry):
    """One child: a mapping with a single key, its kind."""

    agent: AgentEntry | None = None
    supervisor: SupervisorEntry | None = None
    dynamic_supervisor: DynamicSupervisorEntry | None = None
    conversation_pool: ConversationPoolEntry | None = None

    @property
    def kind(self) -> str:
        """`agent`, `supervisor`, `dynamic_supervisor` or `conversation_pool`."""
        return next(iter(self.stated))

    @property
    def entry(self) -> Named:
        """What is under that key."""
        entry: Named = getattr(self, self.kind)
        return entry


@dataclass(frozen=True, kw_only=True)
class RootEntry(SupervisorEntry):
    """The root of the tree."""

    name: Name = "root"


Named = AgentEntry | SupervisorEntry | DynamicSupervisorEntry | ConversationPoolEntry


@dataclass(frozen=True, kw_only=True)
class Topology(TopologyEntry):
    """A topology that is valid in itself: nothing is imported, nothing started.

    `civitas.topology.load` makes one. Its attributes are the keys of the file.
    """

    name: Name = "civitas"
    transport: TransportEntry = _IN_PROCESS
    state: ProvidedEntry | None = None
    model: ProvidedEntry | None = None
    tools: list[ProvidedEntry] = field(default_factory=list)
    serializer: SerializerWord = Serializer.MSGPACK
    runtime: RuntimeEntry = field(default_factory=RuntimeEntry)
    conversations: ConversationsEntry = field(default_factory=ConversationsEntry)
    results: ResultsEntry = field(default_factory=ResultsEntry)
    edge: EdgeEntry = field(default_factory=EdgeEntry)
    prices: PricesMap = field(default_factory=dict)
    mcp: dict[Name, McpEntry] = field(default_factory=dict)
    processes: dict[Name, ProcessEntry] = field(default_factory=dict)
    supervision: RootEntry

    source: Source = field(repr=False, compare=False)
    """Where it comes from, with the place of everything in it."""

    def walk(self) -> Iterator[tuple[Path, str, Named]]:
        """Everything in the tree, depth first: its path, its kind, its entry."""
        yield ("supervision",), "supervisor", self.supervision
        yield from _below(("supervision",), self.supervision)

    @cached_property
    def agents(self) -> dict[str, tuple[Path, AgentEntry]]:
        """The agents and pools by name, with their paths: thousands may be looked up at once."""
        return {
            entry.name: (path, entry)
            for path, _, entry in self.walk()
            if isinstance(entry, AgentEntry)
        }

    def agents_of(self, process: str) -> list[tuple[Path, AgentEntry]]:
        """The agents and pools of an OS process, with their paths."""
        return [
            (path, entry)
            for path, _, entry in self.walk()
            if isinstance(entry, AgentEntry) and process in dict(entry.places()).values()
        ]


def _below(path: Path, supervisor: SupervisorEntry) -> Iterator[tuple[Path, str, Named]]:
    for i, child in enumerate(supervisor.children):
        place = (*path, "children", i, child.kind)
        yield place, child.kind, child.entry
        if isinstance(child.entry, SupervisorEntry):
            yield from _below(place, child.entry)
