"""Supervision trees on a terminal."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from rich.text import Text
from rich.tree import Tree

from civitas.process import RestartType
from civitas.process.schedule import Schedule, zone_of
from civitas.telemetry.readable import cut
from civitas.topology.grammar import (
    AgentEntry,
    ConversationPoolEntry,
    DynamicSupervisorEntry,
    Named,
    SupervisorEntry,
    Topology,
)

__all__ = ["count", "facts_of", "kind_of", "running_tree", "topology_tree", "when"]


def running_tree(tree: dict[str, Any]) -> Tree:
    """The tree of a running system, as `Runtime.tree` returns it."""
    text = _label(tree["name"], tree["kind"], tree["status"])
    if tree["restarts"]:
        text.append(f", {count(tree['restarts'], 'restart')}")
    if tree["node"] != "root":
        text.append(f", process {tree['node']}")
    if "next" in tree:
        text.append(f", next {when(tree['next'])}")
    branch = Tree(text)
    for child in tree["children"]:
        branch.children.append(running_tree(child))
    return branch


def topology_tree(topology: Topology) -> Tree:
    """The tree of a topology."""
    return _branch("supervisor", topology.supervision)


def _branch(kind: str, entry: Named) -> Tree:
    branch = Tree(_label(entry.name, kind_of(kind, entry), ", ".join(facts_of(entry))))
    if isinstance(entry, SupervisorEntry):
        for child in entry.children:
            branch.children.append(_branch(child.kind, child.entry))
    return branch


def kind_of(kind: str, entry: Named) -> str:
    """What an entry of a topology becomes: with `per_conversation` an agent is a pool."""
    return "conversation_pool" if isinstance(entry, AgentEntry) and entry.is_pool else kind


def facts_of(entry: Named) -> list[str]:
    """What to say of an entry of a topology beside its name and kind."""
    facts: list[str] = []
    if isinstance(entry, SupervisorEntry):
        facts.append(entry.strategy.value)
    if isinstance(entry, DynamicSupervisorEntry) and entry.max_children is not None:
        facts.append(f"at most {count(entry.max_children, 'child', 'children')}")
    if isinstance(entry, (SupervisorEntry, DynamicSupervisorEntry)):
        facts.append(f"{count(entry.max_restarts, 'restart')} in {entry.restart_window:g} s")
    if isinstance(entry, AgentEntry):
        facts.append(entry.type or f"wraps {entry.wrap}")
    if isinstance(entry, AgentEntry) and entry.is_pool:
        pool = entry if isinstance(entry, ConversationPoolEntry) else None
        most = pool.max_live if pool else entry.keywords().get("max_live", 1000)
        facts.append(f"at most {most} awake")
    if isinstance(entry, AgentEntry) or entry.restart is not RestartType.PERMANENT:
        facts.append(entry.restart.value)
    if isinstance(entry, AgentEntry):
        if "delivery" in entry.stated:
            facts.append(entry.delivery.value)
        if entry.process:
            facts.append(f"process {entry.process}")
        facts += _schedule_of(entry)
        if entry.replicas > 1:
            facts.append(f"{entry.replicas} replicas")
    return facts


def _schedule_of(entry: AgentEntry) -> list[str]:
    """What to say of the times at which an agent is sent a message."""
    if entry.every is not None:
        return [f"every {entry.every:g} s"]
    if entry.schedule is None:
        return []
    schedule = Schedule(entry.schedule, entry.timezone or "UTC")
    return [f"{schedule}, next {when(schedule.after(time.time()), schedule.timezone)}"]


def when(time: float, timezone: str = "") -> str:
    """A time as a person reads it.

    Args:
        time: Unix seconds.
        timezone: The name of a time zone; that of this machine by default.
    """
    zone = zone_of(timezone) if timezone else None
    return f"{datetime.fromtimestamp(time, zone).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _label(name: str, kind: str, rest: str) -> Text:
    text = Text(cut(name), style="bold")
    text.append(f"  {kind.replace('_', ' ')}", style="cyan")
    text.append(f"  {rest}", style="not bold")
    return text


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 restart`, `2 restarts`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
