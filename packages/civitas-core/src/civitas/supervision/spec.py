"""`Supervisor`: what a user writes down; plain data, checked at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civitas.budgets import Budget
from civitas.errors import ConfigurationError
from civitas.process import AgentProcess, RestartType
from civitas.process.declared import check_callbacks, refuses_unknown_keywords
from civitas.process.options import check_name, choose, positive
from civitas.supervision.backoff import BackoffPolicy
from civitas.supervision.budget import RestartLimits
from civitas.supervision.placed import Placed
from civitas.supervision.policy import RestartStrategy

__all__ = [
    "ChildSpec",
    "ConversationPool",
    "DynamicSupervisor",
    "Supervisor",
    "check_child",
]

_DEEPEST = 100
"""The most levels of a tree: start, stop and `tree()` go through each."""


@dataclass(frozen=True, slots=True, init=False)
class Supervisor:
    """A supervisor and its children, in start order. Semantics: Erlang/OTP's `supervisor`.

    Args:
        name: Unique among the agents and supervisors of the system.
        children: Agents (templates: each start makes a fresh instance) and supervisors.
        strategy: Which children are started again when one ends: `ONE_FOR_ONE`, `ONE_FOR_ALL`, `REST_FOR_ONE`.
        max_restarts: Restarts allowed within `restart_window`; one more and the supervisor gives up.
        restart_window: Seconds.
        backoff: How the wait before a restart grows: `NONE`, `CONSTANT`, `LINEAR`, `EXPONENTIAL` (with jitter).
        backoff_base: Seconds before the first restart.
        backoff_max: Seconds that no wait exceeds.
        restart: When its own supervisor starts it again: `permanent`, `transient`, `temporary`.
        budget: What all agents below it may spend on models together: a dict of `calls`, `tokens`, `usd`, `seconds`.
        budget_exceeded: What happens when it is used up, `refuse` or `ask`; see `AgentProcess`.

    Raises:
        ConfigurationError: An argument does not fit, or a name appears twice.
    """

    name: str
    children: tuple[ChildSpec, ...]
    strategy: RestartStrategy
    limits: RestartLimits
    restart: RestartType
    budget: Budget | None

    @refuses_unknown_keywords
    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec] = (),
        *,
        strategy: RestartStrategy | str = RestartStrategy.ONE_FOR_ONE,
        max_restarts: int = 3,
        restart_window: float = 60.0,
        backoff: BackoffPolicy | str = BackoffPolicy.EXPONENTIAL,
        backoff_base: float = 0.01,
        backoff_max: float = 60.0,
        restart: RestartType | str = RestartType.PERMANENT,
        budget: Mapping[str, Any] | None = None,
        budget_exceeded: str = "refuse",
    ) -> None:
        check_name(name, "a supervisor's name")
        who = f"Supervisor({name!r}): "
        given: object = children
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ConfigurationError(
                f"{who}children must be a list of agents and supervisors; got {children!r}"
            )
        for child in children:
            check_child(child, who)
        limits = RestartLimits.checked(
            who, max_restarts, restart_window, backoff, backoff_base, backoff_max
        )
        values = {
            "name": name,
            "children": tuple(children),
            "strategy": choose(RestartStrategy, strategy, f"{who}strategy"),
            "limits": limits,
            "restart": choose(RestartType, restart, f"{who}restart"),
            "budget": Budget.read(who, budget, budget_exceeded),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        if _levels(self.children) > _DEEPEST:
            raise ConfigurationError(
                f"{who}supervisors are nested more than {_DEEPEST} deep below it; only a mistake makes a tree that deep"
            )
        seen: set[str] = set()
        for each in self.walk():
            if each.name in seen:
                raise ConfigurationError(
                    f"{who}the name {each.name!r} appears twice; names are addresses and must be unique"
                )
            seen.add(each.name)

    def walk(self) -> Iterator[ChildSpec]:
        """This supervisor and everything below it, in start order."""
        yield self
        for child in self.children:
            if isinstance(child, Supervisor):
                yield from child.walk()
            else:
                yield child


def _levels(children: Sequence[ChildSpec]) -> int:
    """How many levels `children` and what is below them are."""
    levels = 0
    while children:
        levels += 1
        below = (each.children for each in children if isinstance(each, Supervisor))
        children = [child for each in below for child in each]
    return levels


@dataclass(frozen=True, slots=True, init=False)
class DynamicSupervisor:
    """A supervisor whose children come and go at run time. Semantics: Elixir's `DynamicSupervisor`.

    Its children have no order and are restarted one by one. They are added by `AgentProcess.spawn` and
    `Runtime.start_child`; those that end for good are forgotten, and so are all when it is itself restarted.

    Args:
        name: Unique among the agents and supervisors of the system.
        max_children: How many there may be at once; None for no bound.
        max_restarts: As for `Supervisor`, and so the other arguments.
        restart_window: Seconds.
        backoff: How the wait before a restart grows.
        backoff_base: Seconds before the first restart.
        backoff_max: Seconds that no wait exceeds.
        restart: When its own supervisor starts it again.
        budget: What all its children may spend on models together.
        budget_exceeded: What happens when it is used up, `refuse` or `ask`.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    name: str
    max_children: int | None
    limits: RestartLimits
    restart: RestartType
    budget: Budget | None

    @refuses_unknown_keywords
    def __init__(
        self,
        name: str,
        max_children: int | None = None,
        max_restarts: int = 3,
        *,
        restart_window: float = 60.0,
        backoff: BackoffPolicy | str = BackoffPolicy.EXPONENTIAL,
        backoff_base: float = 0.01,
        backoff_max: float = 60.0,
        restart: RestartType | str = RestartType.PERMANENT,
        budget: Mapping[str, Any] | None = None,
        budget_exceeded: str = "refuse",
    ) -> None:
        check_name(name, "a supervisor's name")
        who = f"DynamicSupervisor({name!r}): "
        if max_children is not None:
            positive(max_children, f"{who}max_children", whole=True)
        limits = RestartLimits.checked(
            who, max_restarts, restart_window, backoff, backoff_base, backoff_max
        )
        values = {
            "name": name,
            "max_children": max_children,
            "limits": limits,
            "restart": choose(RestartType, restart, f"{who}restart"),
            "budget": Budget.read(who, budget, budget_exceeded),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)


@dataclass(frozen=True, slots=True, init=False)
class ConversationPool:
    """An agent that has one process for each conversation, named ``NAME/CONVERSATION``.

    A message to `name` goes to the process of its conversation, which begins with the first one. Conversations run
    beside each other, each strictly in order; one that crashes or hangs does not disturb the others. A process that
    was idle is put to sleep, its state checkpointed, and restored by the next message. A message without a conversation
    gets a process of its own, which ends after it.

    Args:
        name: The name to send to.
        child: An agent as it would stand in a children list: the template.
        idle_timeout: Seconds without a message before a process is put to sleep.
        max_live: How many may be awake; beyond, the longest idle one sleeps first, and if none is idle the next
            conversation waits.
        max_restarts: Restarts of one conversation within `restart_window`; one more and that conversation ends. Its
            next message begins it again.
        restart_window: Seconds.
        backoff: How the wait before a restart grows.
        backoff_base: Seconds before the first restart.
        backoff_max: Seconds that no wait exceeds.
        restart: When its own supervisor starts the pool again.

    Raises:
        ConfigurationError: An argument does not fit.
    """

    name: str
    child: AgentProcess
    idle_timeout: float
    max_live: int
    limits: RestartLimits
    restart: RestartType

    @refuses_unknown_keywords
    def __init__(
        self,
        name: str,
        child: AgentProcess,
        *,
        idle_timeout: float = 600.0,
        max_live: int = 1000,
        max_restarts: int = 3,
        restart_window: float = 60.0,
        backoff: BackoffPolicy | str = BackoffPolicy.EXPONENTIAL,
        backoff_base: float = 0.01,
        backoff_max: float = 60.0,
        restart: RestartType | str = RestartType.PERMANENT,
    ) -> None:
        check_name(name, "a pool's name")
        who = f"ConversationPool({name!r}): "
        given: object = child
        if not isinstance(given, AgentProcess):
            raise ConfigurationError(f"{who}child must be an agent, the template; got {child!r}")
        positive(idle_timeout, f"{who}idle_timeout")
        positive(max_live, f"{who}max_live", whole=True)
        limits = RestartLimits.checked(
            who, max_restarts, restart_window, backoff, backoff_base, backoff_max
        )
        check_child(child, who)
        values = {
            "name": name,
            "child": child,
            "idle_timeout": idle_timeout,
            "max_live": max_live,
            "limits": limits,
            "restart": choose(RestartType, restart, f"{who}restart"),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)


ChildSpec = AgentProcess | Supervisor | DynamicSupervisor | ConversationPool | Placed


def check_child(child: object, who: str) -> None:
    """Raise `ConfigurationError` unless `child` may be among a supervisor's children; `who` begins the error."""
    if not isinstance(child, ChildSpec):
        raise ConfigurationError(
            f"{who}a child must be an AgentProcess or a Supervisor; got {child!r}. "
            "civitas.wrap(...) turns a framework's object into an agent"
        )
    if not hasattr(child, "name"):
        raise ConfigurationError(
            f"{who}{type(child).__name__}.__init__ must call super().__init__(name, ...)"
        )
    if isinstance(child, AgentProcess):
        check_callbacks(type(child), AgentProcess)
