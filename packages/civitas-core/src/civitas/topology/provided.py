"""What a topology names and plugins provide: its state store, its model, its tools."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Any

from civitas.errors import CivitasError
from civitas.plugins import PluginManager
from civitas.process.built_late import BuiltLate
from civitas.process.keywords import keywords_of
from civitas.process.resources import needs_a_loop
from civitas.topology.grammar import ProvidedEntry, Topology
from civitas.topology.nats_state import state_entry
from civitas.topology.positions import Path
from civitas.topology.problems import Problem, named_in, topology_error, unknown_word
from civitas.topology.source import Source

__all__ = ["beside", "make_provided", "provided_problems"]


_STORE = ("get", "set", "delete")
_MODEL = ("chat",)


@dataclass(frozen=True, slots=True)
class _Named:
    """One thing that a topology names.

    Attributes:
        what: What it is, for an error.
        path: Where it is in the file.
        entry: What the file says there.
        known: What plugins provide of its kind, by name.
    """

    what: str
    path: Path
    entry: ProvidedEntry
    known: Mapping[str, Any]
    methods: tuple[str, ...] = ()

    @property
    def is_function(self) -> bool:
        """Whether a plugin gives a function that builds it, not a class."""
        kind = self.known[self.entry.type]
        has = all(callable(getattr(kind, method, None)) for method in self.methods)
        return bool(self.methods) and not isinstance(kind, type) and callable(kind) and not has

    def problems(self, source: Source) -> list[Problem]:
        """What is wrong with it, found without making it."""
        entry, path = self.entry, self.path
        if entry.type not in self.known:
            text = unknown_word(self.what, entry.type, sorted(self.known))
            return [source.problem((*path, "type"), text)]
        kind = self.known[entry.type]
        if (
            not isinstance(kind, type) and not self.is_function
        ):  # made already: there is nothing to give to a constructor
            return [
                source.problem((*path, key), unknown_word("key", key, ["type"], self._where()))
                for key in entry.further
            ]
        keywords = keywords_of(kind)
        problems = [
            source.problem(
                (*path, key), unknown_word("key", key, ["type", *keywords.names], self._where())
            )
            for key in entry.further
            if key not in keywords.names and not keywords.hands_on
        ]
        problems += [
            source.problem(path, f"{self._where()} needs {name!r}")
            for name in keywords.required
            if name not in entry.further
        ]
        return problems

    def make(self, source: Source) -> Any:
        """Make it, after its problems were looked for."""
        kind = self.known[self.entry.type]
        if not isinstance(kind, type) and not self.is_function:
            return kind
        given = {
            key: beside(source.folder, key, value) for key, value in self.entry.further.items()
        }
        if self.is_function:
            return BuiltLate(partial(kind, **given), self._where(), self.methods)
        try:
            return kind(**given)
        except Exception as error:
            if needs_a_loop(error) and self.methods:
                return BuiltLate(partial(kind, **given), self._where(), self.methods)
            key = named_in(str(error), given)
            where = (*self.path, key) if key else self.path
            own = isinstance(error, CivitasError)
            text = str(error) if own else f"{self._where()}: {error!r}"
            raise topology_error([source.problem(where, text)], source.file) from error

    def _where(self) -> str:
        return f"{self.what.split()[0]} of type {self.entry.type!r}"


def provided_problems(
    topology: Topology, plugins: PluginManager, leave_out: Collection[str]
) -> list[Problem]:
    """What is wrong with what a topology names; `leave_out` holds the keywords of `Runtime` given otherwise."""
    return [
        problem
        for keyword, named in _named(topology, plugins)
        if keyword not in leave_out
        for problem in named.problems(topology.source)
    ]


def make_provided(
    topology: Topology, plugins: PluginManager, leave_out: Collection[str]
) -> dict[str, Any]:
    """Make what a topology names, as keywords of `Runtime`.

    Raises:
        TopologyError: Something is unknown, its keywords do not fit, or its constructor raised.
    """
    problems = provided_problems(topology, plugins, leave_out)
    if problems:
        raise topology_error(problems, topology.source.file)
    made: dict[str, Any] = {}
    for keyword, named in _named(topology, plugins):
        if keyword in leave_out:
            continue
        if keyword == "tools":
            made.setdefault("tools", []).append(named.make(topology.source))
        else:
            made[keyword] = named.make(topology.source)
    return made


def _named(topology: Topology, plugins: PluginManager) -> Iterator[tuple[str, _Named]]:
    """What a topology names, with the keyword of `Runtime` that it is for."""
    if (state := state_entry(topology)) is not None:
        yield (
            "state_store",
            _Named("state store", ("state",), state, plugins.state_stores(), _STORE),
        )
    if topology.model is not None:
        yield (
            "model_provider",
            _Named("model provider", ("model",), topology.model, plugins.model_providers(), _MODEL),
        )
    for i, entry in enumerate(topology.tools):
        yield "tools", _Named("tool", ("tools", i), entry, plugins.tool_providers())


def beside(folder: FilePath | None, key: str, value: Any) -> Any:
    """A path, relative to the topology's folder; other values as they are."""
    if key != "path" or not isinstance(value, str) or value.startswith(":"):
        return value
    path = FilePath(value).expanduser()
    return str(path if folder is None else folder / path)
