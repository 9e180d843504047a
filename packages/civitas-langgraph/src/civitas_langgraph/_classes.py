"""The classes that a graph's checkpoints may name: no other class is imported or built when a checkpoint is read."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, TypeVar, get_args, get_type_hints

from langchain_core import agents, documents, messages, outputs, prompt_values
from langgraph.func import _TaskFunction
from langgraph.pregel import Pregel
from pydantic import BaseModel

from civitas.errors import ConfigurationError
from civitas.frameworks import comes_from

__all__ = ["classes_of", "read_classes"]

Name = tuple[str, ...]
"""Module and name of a class, as a checkpoint names it."""


def classes_of(graph: Any) -> set[Name]:
    """LangChain's own classes, and those in the schemas of `graph`, of its subgraphs and of the tasks it calls."""
    found: dict[int, Any] = {}
    for each in _graphs(graph):
        for kind in _schemas(each):
            _collect(kind, found)
    own = (kind for kind in found.values() if isinstance(kind, type) and not _is_common(kind))
    return {*_langchains(), *map(_name, own)}


def read_classes(who: str, given: Iterable[type | str]) -> set[Name]:
    """The names of `given`, classes or texts ``module:Class``.

    Raises:
        ConfigurationError: One is neither.
    """
    if not isinstance(given, (type, Iterable)):
        raise ConfigurationError(
            f"{who}: state_classes must be classes, or texts module:Class; got {given!r}"
        )
    names: set[Name] = set()
    for each in (given,) if isinstance(given, (str, type)) else given:
        kind: Any = each
        if isinstance(each, str):
            try:
                kind = pkgutil.resolve_name(each)
            except (ImportError, AttributeError, ValueError) as error:
                raise ConfigurationError(
                    f"{who}: state_classes has {each!r}, which cannot be resolved: {error}. Write module:Class"
                ) from error
        if not isinstance(kind, type):
            raise ConfigurationError(
                f"{who}: state_classes must be classes, or texts module:Class; got {each!r}"
            )
        names.add(_name(kind))
    return names


def _name(kind: type) -> Name:
    return kind.__module__, kind.__name__


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    if isinstance(graph, Pregel):
        for _, each in graph.get_subgraphs(recurse=True):
            yield each


def _schemas(graph: Any) -> Iterator[Any]:
    for channel in getattr(graph, "channels", {}).values():
        yield from (getattr(channel, "ValueType", None), getattr(channel, "UpdateType", None))
    builder = getattr(graph, "builder", None)
    if builder is not None:
        yield from (builder.state_schema, builder.input_schema, builder.output_schema)
        yield from (node.input_schema for node in builder.nodes.values())
        for branches in builder.branches.values():
            yield from (branch.input_schema for branch in branches.values())
    for node in getattr(graph, "nodes", {}).values():
        bound = getattr(node, "bound", None)
        for function in (getattr(bound, "func", None), getattr(bound, "afunc", None)):
            # A functional workflow's schemas are the annotations of its functions.
            if inspect.isfunction(function):
                yield from _of_tasks(function, set(), itself=builder is None)
                yield from _formats(function)


def _formats(function: Callable[..., Any]) -> Iterator[Any]:
    """The `response_format` of LangChain's `create_agent`, which the schema of its state does not mention."""
    for each in inspect.getclosurevars(function).nonlocals.values():
        if comes_from(each, "langchain.agents.structured_output"):
            yield getattr(each, "schema", None)


def _of_tasks(function: Callable[..., Any], seen: set[int], *, itself: bool) -> Iterator[Any]:
    """What the tasks that `function` calls take and return."""
    seen.add(id(function))
    if itself:
        yield from _hints(function).values()
    try:
        names = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return
    for each in (*names.nonlocals.values(), *names.globals.values()):
        called = each.func if isinstance(each, _TaskFunction) else None
        if inspect.isfunction(called) and id(called) not in seen:
            yield from _of_tasks(called, seen, itself=True)


def _collect(kind: Any, found: dict[int, Any]) -> None:
    """`kind` and every type that it names, into `found`."""
    if kind is None or id(kind) in found:
        return
    found[id(kind)] = kind
    for part in _parts(kind):
        _collect(part, found)
    if isinstance(kind, type) and not _is_common(kind):
        for part in (*_hints(kind).values(), *kind.__subclasses__()):
            _collect(part, found)


def _parts(kind: Any) -> Iterator[Any]:
    yield from get_args(kind)
    if isinstance(kind, TypeVar):
        yield from (kind.__bound__, *kind.__constraints__)
    for alias in ("__supertype__", "__value__", "__origin__"):  # NewType, a type alias, a generic
        if not isinstance(kind, type):
            yield getattr(kind, alias, None)


def _is_common(kind: type) -> bool:
    """Whether it says nothing about a graph: everybody's classes come from it, or it is LangChain's own."""
    if kind.__module__.startswith("langchain_core."):
        return True
    return kind.__module__ in ("builtins", "typing", "abc", "collections.abc") or kind in (
        BaseModel,
        Enum,
    )


@functools.lru_cache(maxsize=1024)
def _hints(kind: Any) -> dict[str, Any]:
    module = sys.modules.get(getattr(kind, "__module__", ""))
    try:
        return get_type_hints(kind, getattr(module, "__dict__", None), include_extras=True)
    except Exception:  # a name that is not there when the program runs
        return {}


@functools.cache
def _langchains() -> frozenset[Name]:
    found: set[Name] = set()
    for module in (agents, documents, messages, outputs, prompt_values):
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, BaseModel) and kind.__module__.startswith("langchain_core."):
                found.add((kind.__module__, name))
    return frozenset(found)
