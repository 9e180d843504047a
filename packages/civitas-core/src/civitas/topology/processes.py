"""The OS processes that a topology names."""

from __future__ import annotations

from civitas.launch import ProcessOptions
from civitas.topology.grammar import AgentEntry, ProcessEntry, Topology

__all__ = ["further_replica", "options_of", "process_of", "processes_of"]


def processes_of(topology: Topology) -> dict[str, ProcessOptions]:
    """The OS processes beside the root that a topology names, in the order of the file."""
    named: dict[str, set[str]] = {name: set() for name in topology.processes}
    for _, _, agent in topology.walk():
        if isinstance(agent, AgentEntry) and agent.process:
            named.setdefault(agent.process, set()).update(dict(agent.places()).values())
    found = {}
    for name, places in named.items():
        options = options_of(topology, topology.processes.get(name, ProcessEntry()))
        for place in sorted(places, key=lambda each: (len(each), each)) or [name]:
            found[place] = options
    return found


def process_of(topology: Topology, name: str) -> ProcessOptions | None:
    """An OS process by its name, also of a further replica than the topology has; None if there is none."""
    processes = processes_of(topology)
    if name not in processes and further_replica(topology, name) is not None:
        return processes[f"{name.rpartition('-')[0]}-1"]
    return processes.get(name)


def further_replica(topology: Topology, name: str) -> tuple[str, int] | None:
    """The agent that a process would be a further replica of, and its number; None if it is not one."""
    family, _, number = name.rpartition("-")
    if not number.isascii() or not number.isdigit() or number.startswith("0"):
        return None
    for _, _, entry in topology.walk():
        if isinstance(entry, AgentEntry) and entry.process == family and entry.replicas > 1:
            return (entry.name, int(number)) if int(number) > entry.replicas else None
    return None


def options_of(topology: Topology, entry: ProcessEntry) -> ProcessOptions:
    """What an entry of `processes` says; its paths are relative to the topology's folder."""
    options = entry.given()
    folder = topology.source.folder
    for key in ("python", "cwd"):
        if options.get(key) is not None and folder is not None:
            options[key] = str(folder / options[key])
    return ProcessOptions(**options)
