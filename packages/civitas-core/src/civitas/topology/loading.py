"""`load`: from a file or a dict to a checked `Topology`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from civitas.topology.changes import changed
from civitas.topology.checks import check
from civitas.topology.grammar import Topology
from civitas.topology.positions import Path
from civitas.topology.problems import topology_error
from civitas.topology.source import Source, read
from civitas.topology.variables import Without

__all__ = ["load", "load_part", "load_without_environment"]


def load(
    config: str | FilePath | Mapping[str, Any] | Topology, changes: Iterable[tuple[Path, Any]] = ()
) -> Topology:
    """Read and check a topology; imports and starts nothing that it names.

    Args:
        config: Path of a YAML file, or a mapping of the same form. `${VAR}` and `${VAR:-default}` are
            replaced in both. A topology that is loaded already comes back as it is.
        changes: Places with the values that they have instead of the file's; `parse_change` makes them.
    Raises:
        TopologyError: It is not valid. All problems are in its text, each with its line and the nearest
            valid word; `.file` and `.line` are those of the first.
    """
    if isinstance(config, Topology):
        return config
    source = changed(read(config), changes)
    return _checked(source, source.data)


def load_part(file: str | FilePath, *keys: str) -> Topology:
    """Read and check only some keys at the top of a file, such as `name`; everything else has its defaults.

    For commands that talk to a running system: the file may be in the middle of a change, or name variables
    that are set only where the system was started.

    Args:
        file: Path of a YAML file.
        *keys: The keys.
    Raises:
        TopologyError: The file is not YAML, or what is under these keys is not valid.
    """
    source = read(file, keys)
    part = {key: value for key, value in source.data.items() if key in keys}
    return _checked(source, {"supervision": {}, **part})


def load_without_environment(file: str | FilePath) -> Topology:
    """Read and check a topology as it is where no environment variable is set.

    A variable without a default stands for itself, so that nothing of it depends on where this is called, and it holds
    no secret but one that is written out in the file.

    Raises:
        TopologyError: It is not valid; also where a number or a word is a variable without a default.
    """
    source = read(file, variables=Without())
    return _checked(source, source.data)


def _checked(source: Source, data: Any) -> Topology:
    from civitas.topology.validation import (
        validated,  # with pydantic, which takes longer than most of a start
    )

    topology = validated(source, data)
    found = check(topology)
    if found:
        raise topology_error(found, source.file)
    return topology
