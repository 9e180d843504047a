"""`civitas topology validate` and `show`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from civitas.cli.console import stdout
from civitas.cli.trees import topology_tree
from civitas.plugins import PluginManager
from civitas.topology import Topology, build, load, runtime_options

__all__ = ["show_topology", "validate_topology"]


def validate_topology(file: Path, *, imports: bool) -> None:
    """Print that a topology is valid, with what is in it.

    Args:
        file: The topology.
        imports: Whether to construct its agents, as `run` would.
    Raises:
        TopologyError: It is not.
        StartFailed: Something it names cannot be imported or constructed.
    """
    topology = load(file)
    if imports:
        plugins = PluginManager()
        build(topology, plugins=plugins)
        runtime_options(topology, plugins=plugins)
    stdout().print(f"{file}: valid, {_contents(topology)}", markup=False)


def show_topology(file: Path) -> None:
    """Print the supervision tree of a topology, and what else it says."""
    topology = load(file)
    console = stdout()
    state = topology.state.type if topology.state is not None else "memory"
    console.print(
        f"{topology.name}  transport {topology.transport.type}, state {state}", markup=False
    )
    console.print(topology_tree(topology))
    for name, process in topology.processes.items():
        facts = [f"{key} {value}" for key, value in process.given("env", "start").items()]
        facts += ["started elsewhere"] if not process.start else []
        console.print(f"process {name}  {', '.join(facts)}".rstrip(), markup=False)


def _contents(topology: Topology) -> str:
    counts = Counter(kind for _, kind, _ in topology.walk())
    counts["process"] = len(topology.processes)
    plurals = {"process": "processes"}
    return ", ".join(
        f"{count} {kind.replace('_', ' ') if count == 1 else plurals.get(kind, f'{kind}s').replace('_', ' ')}"
        for kind, count in sorted(counts.items())
        if count
    )
