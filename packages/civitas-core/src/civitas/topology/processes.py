"""The OS processes that a topology names."""

from __future__ import annotations

from civitas.launch import ProcessOptions
from civitas.topology.grammar import AgentEntry, ProcessEntry, Topology

__all__ = ["options_of", "processes_of"]


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


def options_of(topology: Topology, entry: ProcessEntry) -> ProcessOptions:
    """What an entry of `processes` says; its paths are relative to the topology's folder."""
    options = entry.given()
    folder = topology.source.folder
    for key in ("python", "cwd"):
        if options.get(key) is not None and folder is not None:
            options[key] = str(folder / options[key])
    return ProcessOptions(**options)
