"""The state store that a topology names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from civitas.errors import ConfigurationError
from civitas.plugins import PluginManager
from civitas.topology.keywords import keywords_of
from civitas.topology.model import StateEntry, Topology
from civitas.topology.problems import Problem, named_in, topology_error, unknown_word

__all__ = ["make_store", "store_problems"]


def store_problems(topology: Topology, entry: StateEntry, plugins: PluginManager) -> list[Problem]:
    """What is wrong with the state store of a topology, found without making it."""
    source = topology.source
    stores = plugins.state_stores()
    if entry.type not in stores:
        text = unknown_word("state store", entry.type, sorted(stores))
        return [source.problem(("state", "type"), text)]
    keywords = keywords_of(stores[entry.type])
    where = _where(entry)
    problems = [
        source.problem(("state", key), unknown_word("key", key, ["type", *keywords.names], where))
        for key in entry.further
        if key not in keywords.names and not keywords.hands_on
    ]
    problems += [
        source.problem(("state",), f"{where} needs {name!r}")
        for name in keywords.required
        if name not in entry.further
    ]
    return problems


def make_store(topology: Topology, entry: StateEntry, plugins: PluginManager) -> Any:
    """Make the state store of a topology.

    Raises:
        TopologyError: It is unknown, its keywords do not fit, or its constructor raised.
    """
    source = topology.source
    problems = store_problems(topology, entry, plugins)
    if problems:
        raise topology_error(problems, source.file)
    kind: Callable[..., Any] = plugins.state_stores()[entry.type]
    given = {key: _beside(source.folder, key, value) for key, value in entry.further.items()}
    try:
        return kind(**given)
    except Exception as error:
        key = named_in(str(error), given)
        path = ("state", key) if key else ("state",)
        text = (
            str(error) if isinstance(error, ConfigurationError) else f"{_where(entry)}: {error!r}"
        )
        raise topology_error([source.problem(path, text)], source.file) from error


def _where(entry: StateEntry) -> str:
    return f"state of type {entry.type!r}"


def _beside(folder: FilePath | None, key: str, value: Any) -> Any:
    """A path, relative to the topology's folder; other values as they are."""
    if key != "path" or not isinstance(value, str) or value.startswith(":"):
        return value
    path = FilePath(value).expanduser()
    return str(path if folder is None else folder / path)
