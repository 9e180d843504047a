"""What a topology may say that this version cannot run yet: refused with a sentence, never ignored."""

from __future__ import annotations

import pathlib

from civitas.brokers.nats.options import need_nats
from civitas.errors import ConfigurationError, StateStoreError
from civitas.state.sqlite_file import check_place
from civitas.topology.edges import edge_problems
from civitas.topology.grammar import AgentEntry, ProvidedEntry, SupervisorEntry, Topology
from civitas.topology.positions import Path
from civitas.topology.problems import Problem, topology_error
from civitas.topology.processes import options_of, processes_of
from civitas.topology.provided import beside
from civitas.transport.zmq.extra import need_pyzmq

__all__ = ["beyond", "missing_places", "not_installed", "refuse_nothing"]


def beyond(topology: Topology, *, forgets: bool) -> list[Problem]:
    """What of `topology` this version cannot run.

    Args:
        topology: A valid topology.
        forgets: Whether the state store is one that no OS process but the root's can open.
    """
    problem = topology.source.problem
    found = edge_problems(topology)
    for path, _, entry in topology.walk():
        if forgets and isinstance(entry, AgentEntry) and entry.process and _is_durable(entry):
            text = (
                "'durable' in an OS process of its own needs a state store that outlives the processes; "
                "write state: {type: sqlite, path: civitas.db} in this file"
            )
            found.append(problem((*path, "durable"), text))
    return found


def _is_durable(entry: AgentEntry) -> bool:
    return bool(entry.wrap) and entry.keywords().get("durable") is True


def missing_places(topology: Topology, *, opens_state: bool) -> list[Problem]:
    """What the root needs and does not find: interpreters and working folders of its processes, a place for the state.

    Args:
        topology: A valid topology.
        opens_state: Whether the state store is the one that it names.
    """
    found = []
    for name, entry in topology.processes.items():
        options = options_of(topology, entry)
        path = ("processes", name)
        if not options.start:
            continue  # they are on another machine, perhaps
        if options.cwd is not None and not pathlib.Path(options.cwd).is_dir():
            text = f"process {name!r}: there is no folder {options.cwd!r}"
            found.append(topology.source.problem((*path, "cwd"), text))
        try:
            options.interpreter(name)
        except ConfigurationError as error:
            found.append(topology.source.problem((*path, "python"), str(error)))
    if opens_state and topology.state is not None and topology.state.type == "sqlite":
        found += _no_place_for_state(topology, topology.state)
    return found


def not_installed(topology: Topology, *, elects: bool) -> list[Problem]:
    """What the carrier of `topology` needs and this environment lacks, with the line that installs it.

    Args:
        topology: A valid topology.
        elects: Whether it carries something although there is one process: between several roots.
    """
    if not elects and not processes_of(topology):
        return []  # nothing is carried
    said = topology.transport
    try:
        if said.type == "nats":
            need_nats(signs=any(said.further.get(key) for key in ("nkey", "credentials")))
        elif said.type in ("zmq", "in_process"):
            need_pyzmq()
    except ConfigurationError as error:
        return [topology.source.problem(_carried_for(topology), str(error))]
    return []


def _carried_for(topology: Topology) -> Path:
    """Where it says that something is to be carried."""
    if topology.transport.stated:
        return ("transport", "type")
    apart = (
        (*path, "process")
        for path, _, entry in topology.walk()
        if isinstance(entry, AgentEntry) and entry.process
    )
    return next(apart, ("processes",))


def _no_place_for_state(topology: Topology, state: ProvidedEntry) -> list[Problem]:
    place = beside(topology.source.folder, "path", state.further.get("path"))
    if not isinstance(place, str) or place.startswith(":"):
        return []  # the store says what is wrong with that
    try:
        check_place(pathlib.Path(place))
    except StateStoreError as error:
        return [topology.source.problem(("state", "path"), str(error))]
    return []


def refuse_nothing(topology: Topology) -> None:
    """Refuse a topology that runs nothing: a list of children was left out, or is in the wrong place.

    In Python it may be meant, as children can be added there.

    Raises:
        TopologyError: It has no agent, and nothing that may get one.
    """
    if any(not isinstance(entry, SupervisorEntry) for _, _, entry in topology.walk()):
        return
    text = "there is no agent in it; children: [{agent: {name: ..., type: ...}}] is a start"
    raise topology_error([topology.source.problem(("supervision",), text)], topology.source.file)
