"""Finds what a checkpoint cannot hold in a graph's state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME, TASKS
from langgraph.types import Send

from civitas.errors import PayloadError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint

__all__ = ["name_unwritable", "place_of", "unwritable", "values_of"]

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
    values: Iterable[tuple[str, Any]], dumps: Callable[[Any], object]
) -> PayloadError | None:
    """The error that names what of `values` cannot be written; None if all of it can.

    Args:
        values: What was to be written, each with its place.
        dumps: The serializer's.
    """
    for place, value in values:
        problem = _problem(value, dumps)
        if problem is not None:
            return _at(place, value, dumps, problem, 0)
    return None


def name_unwritable(saver: BaseCheckpointSaver[Any]) -> None:
    """From now on, an error of `saver` names what it cannot write, if that is why it failed."""
    setattr(saver, "aput", _naming(saver.aput, saver, values_of))  # noqa: B010
    setattr(saver, "aput_writes", _naming(saver.aput_writes, saver, _of_writes))  # noqa: B010


def values_of(checkpoint: Checkpoint) -> list[tuple[str, Any]]:
    """The values of a checkpoint's channels, each with its place."""
    return [(place_of(name, value), value) for name, value in checkpoint["channel_values"].items()]


def _of_writes(writes: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(place_of(channel, value), value) for channel, value in writes]


def _naming(put: Any, saver: BaseCheckpointSaver[Any], values: Callable[[Any], Any]) -> Any:
    @functools.wraps(put)
    async def put_or_name(config: Any, what: Any, *args: Any, **more: Any) -> Any:
        try:
            return await put(config, what, *args, **more)
        except Exception as error:
            if (told := unwritable(values(what), saver.serde.dumps_typed)) is not None:
                raise told from error
            raise

    return put_or_name


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
