"""Where in a graph's state there is what no checkpoint can hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, TASKS
from langgraph.types import Send

from civitas.errors import PayloadError

__all__ = ["place_of", "unwritable"]

_SPECIAL = {
    "__root__": "state",
    ERROR: "the error of a task",
    INTERRUPT: "interrupt",
    RESUME: "resume",
    "__return__": "the result of a task",
}
_DEEPEST = 30


def place_of(channel: str, value: Any) -> str:
    """How an error names what is written to `channel`: ``state.files``, ``interrupt``, ``Send('worker')``."""
    if channel == TASKS:
        return f"Send({value.node!r})" if isinstance(value, Send) else "Send"
    return _SPECIAL.get(channel, f"state.{channel}")


def unwritable(
    values: Iterable[tuple[str, Any]], dumps: Callable[[Any], object], error: Exception
) -> Exception:
    """The error to raise in place of `error`, which writing `values` met: it names the place, where that is found.

    Args:
        values: What was to be written, each with its place.
        dumps: The serializer's.
        error: What that raised.
    """
    for place, value in values:
        problem = _problem(value, dumps)
        if problem is not None:
            return _at(place, value, dumps, problem, 0)
    return error


def _at(
    place: str, value: Any, dumps: Callable[[Any], object], problem: Exception, depth: int
) -> PayloadError:
    """The innermost part of `value` that cannot be written."""
    for path, part in _parts(place, value) if depth < _DEEPEST else ():
        deeper = _problem(part, dumps)
        if deeper is not None:
            return _at(path, part, dumps, deeper, depth + 1)
    return PayloadError(
        place,
        f"a checkpoint cannot hold {type(value).__name__} ({problem}); put plain data there, or keep it in the "
        "graph's context or in a channel annotated with UntrackedValue",
    )


def _problem(value: Any, dumps: Callable[[Any], object]) -> Exception | None:
    try:
        dumps(value)
    except Exception as error:
        return error
    return None


def _parts(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{place}.{key}", item
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, item in enumerate(value):
            yield (place_of(TASKS, item) if isinstance(item, Send) else f"{place}[{number}]"), item
    elif isinstance(value, Send):
        yield f"{place}.arg", value.arg
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f"{place}.{field.name}", getattr(value, field.name, None)
    else:
        for name in getattr(type(value), "model_fields", ()):
            yield f"{place}.{name}", getattr(value, name, None)
