"""Which agents are shown, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

__all__ = ["Agent", "Choice", "Doing", "Order", "chosen"]

Agent: TypeAlias = Mapping[str, Any]
"""An `AgentNow`, as it travels."""


class Order(StrEnum):
    """What agents are sorted by."""

    MAILBOX = "mailbox"
    """How many messages wait, the most first."""
    RESTARTS = "restarts"
    """How often they were started again, the most often first."""
    SINCE = "since"
    """Since when they handle their message, the longest first."""
    TOKENS = "tokens"
    """How many tokens their models used, the most first."""
    NAME = "name"
    """Their names."""


class Doing(StrEnum):
    """What may be asked of an agent's status."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    TERMINATED = "terminated"
    PAUSED = "paused"
    """It takes no messages until somebody resumes it."""
    BUSY = "busy"
    """It has a message in hand."""


_ORDERS: Mapping[Order, Callable[[Agent], Any]] = {
    Order.MAILBOX: lambda agent: -agent["waiting"],
    Order.RESTARTS: lambda agent: -agent["restarts"],
    Order.SINCE: lambda agent: agent["handling"]["since"] if agent["handling"] else float("inf"),
    Order.TOKENS: lambda agent: -agent["tokens"],
    Order.NAME: lambda agent: agent["name"],
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which agents to show, and in which order.

    Attributes:
        order: None for that of the tree.
        glob: What their names must match; any if empty.
        doing: What they must do; None for anything.
        search: What their name, or the message, conversation, run or step that they have in hand, must hold.
    """

    order: Order | None = None
    glob: str = ""
    doing: Doing | None = None
    search: str = ""

    @property
    def is_tree(self) -> bool:
        """Whether everything is shown, as the tree that it is."""
        return self == Choice()


def chosen(agents: Iterable[Agent], choice: Choice) -> list[tuple[str, Agent]]:
    """The agents to show, each with the lines of the tree that stand before its name.

    Args:
        agents: All of them, each behind its supervisor.
        choice: Which.
    """
    if choice.is_tree:
        return list(_as_tree(list(agents)))
    found = [agent for agent in agents if _fits(agent, choice)]
    if choice.order is not None:
        found.sort(key=lambda agent: (_ORDERS[choice.order or Order.NAME](agent), agent["name"]))
    return [("", agent) for agent in found]


def _fits(agent: Agent, choice: Choice) -> bool:
    if choice.order not in (None, Order.NAME) and agent["kind"] != "agent":
        return False
    if choice.glob and not fnmatchcase(agent["name"], choice.glob):
        return False
    return _does(agent, choice.doing) and choice.search.casefold() in _text(agent)


def _does(agent: Agent, doing: Doing | None) -> bool:
    match doing:
        case None:
            return True
        case Doing.PAUSED:
            return bool(agent["paused"])
        case Doing.BUSY:
            return agent["handling"] is not None
        case _:
            return bool(agent["status"] == doing)


def _text(agent: Agent) -> str:
    handling = agent["handling"] or {}
    keys = "message", "type", "conversation", "run", "step"
    words = [agent["name"], *(handling.get(each) or "" for each in keys)]
    return "\n".join(words).casefold()


def _as_tree(agents: Sequence[Agent]) -> Iterable[tuple[str, Agent]]:
    children: dict[str | None, list[Agent]] = {}
    there = {agent["name"] for agent in agents}
    for agent in agents:
        parent = agent["parent"] if agent["parent"] in there else None
        children.setdefault(parent, []).append(agent)
    # Not by recursion: a tree may be deep.
    to_do = [("", "", agent) for agent in reversed(children.get(None, []))]
    while to_do:
        guide, below, agent = to_do.pop()
        yield guide, agent
        its = children.get(agent["name"], [])
        for number, child in enumerate(reversed(its)):
            last = number == 0
            corner, line = ("└── ", "    ") if last else ("├── ", "│   ")
            to_do.append((f"{below}{corner}", f"{below}{line}", child))
