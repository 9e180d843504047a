"""`compare`: what changes from one topology to another, in what they mean and not in how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from civitas.topology.entries import McpEntry
from civitas.topology.grammar import (
    SECRET_KEYS,
    AgentEntry,
    Named,
    ProcessEntry,
    SupervisorEntry,
    Topology,
)

__all__ = ["HIDDEN", "NOTHING", "Change", "compare"]

NOTHING: Any = object()
"""In the place of a value that is not given and has no default."""

HIDDEN = "***"
"""In the place of a value that is a secret, or may be one: of an environment variable, a password, a URL with one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        change: What became of it.
        kind: `system`, `process`, or the kind of a child.
        name: Its name; that of the new topology if it is the root.
        key: The key that changed; empty if it is the whole.
        old: Value of that key before; the supervisor it stood under, or its children in their order.
        new: The same after.
    """

    change: Literal["added", "removed", "moved", "changed", "reordered"]
    kind: str
    name: str
    key: str = ""
    old: Any = NOTHING
    new: Any = NOTHING


def compare(old: Topology, new: Topology) -> list[Change]:
    """Everything that differs: the system, its processes, then the tree from top to bottom; what is gone comes last."""
    changes = [*_values("system", new.name, _system(old), _system(new))]
    processes = {name: _process(entry) for name, entry in old.processes.items()}
    for name, entry in new.processes.items():
        if name in processes:
            changes += _values("process", name, processes.pop(name), _process(entry))
        else:
            changes.append(Change("added", "process", name))
    changes += [Change("removed", "process", name) for name in processes]
    return [*changes, *_trees(old, new)]


@dataclass(frozen=True, slots=True)
class _Listed:
    kind: str
    entry: Named
    parent: str | None
    """Under whom it stands; None is the root, whatever its name."""

    def under(self, topology: Topology) -> str:
        return self.parent or topology.supervision.name


def _trees(old: Topology, new: Topology) -> Iterator[Change]:
    before, after = _nodes(old), _nodes(new)
    for key, node in after.items():
        was = before.get(key)
        kind, name = node.kind, node.entry.name
        if was is None or was.kind != kind:
            yield Change("added", kind, name, new=node.under(new))
            continue
        if was.parent != node.parent:
            yield Change("moved", kind, name, old=was.under(old), new=node.under(new))
        yield from _values(kind, name, _options(was.entry), _options(node.entry))
        yield from _order(name, was.entry, node.entry)
    for key, node in before.items():
        if key not in after or after[key].kind != node.kind:
            yield Change("removed", node.kind, node.entry.name, old=node.under(old))


def _nodes(topology: Topology) -> dict[str | None, _Listed]:
    """Everything in the tree by its name, the root by None."""
    nodes: dict[str | None, _Listed] = {None: _Listed("supervisor", topology.supervision, None)}

    def add(parent: str | None, supervisor: SupervisorEntry) -> None:
        for child in supervisor.children:
            nodes[child.entry.name] = _Listed(child.kind, child.entry, parent)
            if isinstance(child.entry, SupervisorEntry):
                add(child.entry.name, child.entry)

    add(None, topology.supervision)
    return nodes


def _order(name: str, old: Named, new: Named) -> Iterator[Change]:
    """Whether the children that are under a supervisor in both have another order."""
    if isinstance(old, SupervisorEntry) and isinstance(new, SupervisorEntry):
        before, after = (
            [child.entry.name for child in supervisor.children] for supervisor in (old, new)
        )
        stayed = set(before) & set(after)
        before = [each for each in before if each in stayed]
        after = [each for each in after if each in stayed]
        if before != after:
            yield Change("reordered", "supervisor", name, old=before, new=after)


def _values(
    kind: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for key in {**old, **new}:
        before, after = old.get(key, NOTHING), new.get(key, NOTHING)
        if _marked(before) != _marked(after):
            before, after = (_shown(key, each) for each in (before, after))
            if _marked(before) == _marked(after):  # only a secret in there differs
                before = after = HIDDEN
            yield Change("changed", kind, name, key, before, after)


def _shown(key: str, value: Any) -> Any:
    """`value` as people may see it."""
    if value is NOTHING:
        return value
    *above, last = key.split(".")
    if last in SECRET_KEYS or above[-1:] == ["env"]:
        return HIDDEN
    match value:
        case dict():
            return {inner: _shown(f"{key}.{inner}", each) for inner, each in value.items()}
        case list():
            return [_shown(key, each) for each in value]
        case str() if "://" in value and "@" in value:
            return HIDDEN
    return value


def _marked(value: Any) -> Any:
    """`value` with its booleans marked: to Python, `true` equals 1."""
    match value:
        case bool():
            return ("bool", value)
        case dict():
            return {key: _marked(each) for key, each in value.items()}
        case list():
            return [_marked(each) for each in value]
    return value


# What an entry means, defaults included, as a flat mapping.


def _system(topology: Topology) -> dict[str, Any]:
    values: dict[str, Any] = {"name": topology.name, "serializer": _plain(topology.serializer)}
    for key in ("transport", "state", "model", "runtime", "conversations", "results"):
        entry = getattr(topology, key)
        if entry is not None:
            values |= {f"{key}.{inner}": value for inner, value in entry.everything().items()}
    if topology.edge.http is not None:
        values |= {
            f"edge.http.{key}": value for key, value in topology.edge.http.everything().items()
        }
    values |= {f"prices.{model}": price for model, price in topology.prices.items()}
    for name, server in topology.mcp.items():
        values |= {f"mcp.{name}.{key}": value for key, value in _process(server).items()}
    if topology.tools:
        values["tools"] = [tool.everything() for tool in topology.tools]
    return values


def _process(entry: ProcessEntry | McpEntry) -> dict[str, Any]:
    values = entry.everything()
    environment = values.pop("env")
    return {**values, **{f"env.{key}": value for key, value in environment.items()}}


def _options(entry: Named) -> dict[str, Any]:
    values = {
        key: _plain(getattr(entry, key))
        for key in entry.declared()
        if key not in ("args", "children")
    }
    if isinstance(entry, AgentEntry):
        values = {key: value for key, value in values.items() if value != ""}
        values |= {**entry.further, **entry.args}  # the same, wherever they stand
    return values


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
