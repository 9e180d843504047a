"""What must hold between several places of a topology."""

from __future__ import annotations

from civitas.errors.hints import nearest
from civitas.process import Delivery, OnAmbiguous
from civitas.process.on_change import OnChange
from civitas.topology.grammar import (
    AGENT_KEYWORDS,
    AgentEntry,
    ChildEntry,
    SupervisorEntry,
    Topology,
)
from civitas.topology.positions import Path
from civitas.topology.problems import Problem

__all__ = ["check"]

_SCHEDULE = ("schedule", "every", "timezone", "missed", "schedule_payload")
_KINDS = tuple(ChildEntry.declared())
_PROVIDED = {"state": "{type: sqlite, path: civitas.db}", "model": "{type: NAME}"}


def check(topology: Topology) -> list[Problem]:
    """Everything that is wrong, best found before anything looks at the entries of the children."""
    problems = _kinds(topology, ("supervision",), topology.supervision)
    for key, example in _PROVIDED.items():
        if getattr(topology, key) is None and key in topology.stated:
            text = f"{key!r} must be a mapping, such as {example}; got nothing"
            problems.append(topology.source.problem((key,), text))
    if problems:
        return problems  # whoever walks the tree relies on each child having one kind
    for path, _, entry in topology.walk():
        if isinstance(entry, AgentEntry):
            problems += _agent(topology, path, entry)
    return problems + _names(topology) + _processes(topology)


def _kinds(topology: Topology, path: Path, supervisor: SupervisorEntry) -> list[Problem]:
    problems = []
    for i, child in enumerate(supervisor.children):
        place = (*path, "children", i)
        kinds = sorted(child.stated, key=_KINDS.index)
        if len(kinds) != 1:
            got = f"got {' and '.join(kinds)}" if kinds else "got none"
            text = f"a child must be one of {', '.join(_KINDS)}; {got}"
            if kinds:
                text += ". Begin each child with a dash of its own"
            problems.append(topology.source.problem(place, text))
        problems += [
            topology.source.problem(
                (*place, kind), f"{kind!r} must be a mapping (key: value); got nothing"
            )
            for kind in kinds
            if getattr(child, kind) is None
        ]
        if child.supervisor is not None:
            problems += _kinds(topology, (*place, "supervisor"), child.supervisor)
    return problems


def _agent(topology: Topology, path: Path, entry: AgentEntry) -> list[Problem]:
    problem = topology.source.problem
    who = f"agent {entry.name!r}"
    found = []
    given = entry.stated & {"type", "wrap"}
    if len(given) == 2:
        found.append(
            problem(
                (*path, "wrap"),
                f"{who} has both 'type' and 'wrap'; keep 'type' for a class of agents, "
                "or 'wrap' for a framework's object",
            )
        )
    if not given:
        found.append(
            problem(
                path,
                f"{who} needs 'type' (the class, such as myapp.agents.Planner) or 'wrap' "
                f"(a framework's object, such as myapp.graphs:graph){_meant(entry)}",
            )
        )
    for key in entry.args:
        if key in AGENT_KEYWORDS or key == "name":
            text = f"{key!r} goes beside 'args', not in it: every agent has it"
            found.append(problem((*path, "args", key), text))
        elif key in entry.further:
            text = f"{key!r} is given twice, in 'args' and beside it; remove one"
            found.append(problem((*path, "args", key), text))
    found += _schedule(topology, path, entry)
    durable = entry.delivery is Delivery.DURABLE or entry.keywords().get("durable") is True
    if entry.on_ambiguous is OnAmbiguous.INTERRUPT and not durable:
        needs = "'durable: true'" if entry.wrap else "'delivery: durable'"
        text = f"'on_ambiguous: interrupt' of {who} needs {needs}: it is for runs that go on after a kill"
        found.append(problem((*path, "on_ambiguous"), text))
    on_change = entry.keywords().get("on_change")
    if entry.wrap and on_change is not None:
        words = [str(each) for each in OnChange]
        if str(on_change).lower() not in words:
            text = f"'on_change' of {who} must be one of {', '.join(words)}; got {on_change!r}"
            found.append(problem((*path, "on_change"), text))
        elif not durable:
            text = (
                f"'on_change' of {who} needs 'durable: true': it is for runs that outlive the code"
            )
            found.append(problem((*path, "on_change"), text))
    if "replicas" in entry.stated and not entry.process:
        text = f"'replicas' of {who} needs 'process': each replica is an OS process of its own"
        found.append(problem((*path, "replicas"), text))
    return found


def _schedule(topology: Topology, path: Path, entry: AgentEntry) -> list[Problem]:
    who = f"agent {entry.name!r}"
    given = {key for key in _SCHEDULE if getattr(entry, key) is not None} & entry.stated
    if {"schedule", "every"} <= given:
        text = f"{who} has both 'schedule' and 'every'; keep one of them"
        return [topology.source.problem((*path, "every"), text)]
    if "every" in given and "timezone" in given:
        text = f"'timezone' is for 'schedule', and 'every' of {who} needs none"
        return [topology.source.problem((*path, "timezone"), text)]
    if given & {"schedule", "every"}:
        return []
    text = f"of {who} is for one with 'schedule' or 'every'; give it one of them, or remove this"
    return [topology.source.problem((*path, key), f"{key!r} {text}") for key in sorted(given)]


def _meant(entry: AgentEntry) -> str:
    for word in ("type", "wrap"):
        near = nearest(word, entry.further)
        if near:
            return f"; is {near!r} meant for {word!r}?"
    return ""


def _names(topology: Topology) -> list[Problem]:
    problems = []
    first: dict[str, tuple[str, Path]] = {
        name: ("MCP server", ("mcp", name)) for name in topology.mcp
    }
    if topology.mcp:
        first["mcp"] = ("supervisor of the MCP servers", ("mcp",))
    for path, kind, entry in topology.walk():
        names = [(entry.name, "name", kind.replace("_", " "))]
        if isinstance(entry, AgentEntry) and entry.replicas > 1:
            names += [
                (name, "replicas", f"replicas of {entry.name!r}") for name, _ in entry.places()
            ]
        for name, key, what in names:
            if name not in first:
                first[name] = (what, (*path, key))
                continue
            other, where = first[name]
            place = topology.source.places.get(where)
            line = f" in line {place.key}" if place else ""
            text = f"the name {name!r} is taken by the {other}{line}; names are addresses and must be unique"
            problems.append(topology.source.problem((*path, key), text))
    return problems


def _processes(topology: Topology) -> list[Problem]:
    problem = topology.source.problem
    text = "'root' is the process that runs the supervision tree; choose another name"
    paths = [("processes", name) for name in topology.processes if name == "root"]
    named: list[Path] = [
        (*path, "process")
        for path, _, entry in topology.walk()
        if isinstance(entry, AgentEntry) and entry.process == "root"
    ]
    found = [problem(path, text) for path in (*paths, *named)]
    found += _taken(topology)
    for name, process in topology.processes.items():
        if process.python is not None and not process.start:
            text = "'python' is for a process that the root starts; with 'start: false' it is for whoever starts it"
            found.append(problem(("processes", name, "python"), text))
    return found


def _taken(topology: Topology) -> list[Problem]:
    """The processes of replicas that the file names in another place, too."""
    entries = [(path, entry) for path, _, entry in topology.walk() if isinstance(entry, AgentEntry)]
    others = {entry.process for _, entry in entries if entry.replicas == 1} | {*topology.processes}
    return [
        topology.source.problem(
            (*path, "replicas"),
            f"the replicas of {entry.name!r} run in processes named {entry.process}-1 to "
            f"{entry.process}-{entry.replicas}, and {process!r} is also a process of this file; rename one",
        )
        for path, entry in entries
        if entry.replicas > 1
        for _, process in entry.places()
        if process in others
    ]
