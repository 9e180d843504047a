"""Topologies: a YAML file, or a dict, checked and made into a supervision tree.

`load` reads and checks, and imports nothing that the file names; `load_part` does so for only some keys. `build` makes
the `Supervisor` of it, and `runtime_options` the keywords of `Runtime`.
"""

from __future__ import annotations

from civitas.topology.building import build, runtime_options
from civitas.topology.edges import edges_of
from civitas.topology.grammar import Topology
from civitas.topology.holds import holds_of
from civitas.topology.kept import kept_of
from civitas.topology.links import Links, carried_by, serializer_of
from civitas.topology.loading import load, load_part, load_without_environment
from civitas.topology.members import boot_data
from civitas.topology.processes import processes_of

__all__ = [
    "Links",
    "Topology",
    "boot_data",
    "build",
    "carried_by",
    "edges_of",
    "holds_of",
    "kept_of",
    "load",
    "load_part",
    "load_without_environment",
    "processes_of",
    "runtime_options",
    "serializer_of",
]
