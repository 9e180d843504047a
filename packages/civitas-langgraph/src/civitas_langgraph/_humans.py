"""What a graph asks a human, and what becomes of the answer."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from langgraph.checkpoint.serde.types import ERROR, RESUME
from langgraph.types import Interrupt

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.types import PregelTask, StateSnapshot

__all__ = ["answer_fits", "is_waited_for", "keep_questions_open", "questions"]

_UNNAMED = Interrupt(None).id
"""The id of every interrupt that a node raises itself, with `NodeInterrupt`."""
_OF_INTERRUPT = re.compile("[0-9a-f]{32}")


def questions(snapshot: StateSnapshot) -> list[dict[str, Any]]:
    """What a thread waits for, each with its `id` and its `value`, and its `response_schema` if it has one.

    These are the interrupts of its nodes. If there are none and nodes are left to do, the run stopped in front of
    them: at a breakpoint, or because a node drained it. That is one question, whose value is the names of these nodes.
    A thread whose last run failed waits for nobody.

    Args:
        snapshot: Of the thread, with its subgraphs.
    """
    left = _left(snapshot)
    asked = [
        _question(each, task.id, at) for task in left for at, each in enumerate(task.interrupts)
    ]
    if asked:
        return asked
    if not left or any(task.error for task in left):
        return []
    return [{"id": ":".join(_checkpoints(snapshot)), "value": list(_nodes(snapshot))}]


def is_waited_for(id: str) -> bool:
    """Whether code waits for the answer to the question `id`; otherwise the answer can only be to go on."""
    return _OF_INTERRUPT.fullmatch(id) is not None


def _question(interrupt: Interrupt[Any], task: str, at: int) -> dict[str, Any]:
    if interrupt.id == _UNNAMED:
        return {"id": f"{task}:{at}", "value": interrupt.value}
    question = {"id": interrupt.id, "value": interrupt.value}
    schema = getattr(interrupt, "response_schema", None)
    return question if schema is None else {**question, "response_schema": schema}


def _left(snapshot: StateSnapshot) -> list[PregelTask]:
    return [task for task in snapshot.tasks if task.result is None]


def _below(task: PregelTask) -> StateSnapshot | None:
    """The subgraph that stopped inside a task."""
    state: Any = task.state
    return state if getattr(state, "next", None) else None


def _checkpoints(snapshot: StateSnapshot) -> Iterator[str]:
    yield snapshot.config["configurable"]["checkpoint_id"]
    for task in _left(snapshot):
        if below := _below(task):
            yield from _checkpoints(below)


def _nodes(snapshot: StateSnapshot) -> Iterator[str]:
    for task in _left(snapshot):
        if below := _below(task):
            yield from _nodes(below)
        else:
            yield task.name


def answer_fits(
    question: Mapping[str, Any], answer: Any, refuse: Callable[[str, str], NoReturn]
) -> None:
    """Refuse an answer that does not fit the schema that the question came with."""
    schema = question.get("response_schema")
    if schema is None:
        return
    from jsonschema.exceptions import (  # type: ignore[import-untyped]
        SchemaError,
        ValidationError,
    )
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]
    from pydantic_core import PydanticSerializationError, to_jsonable_python
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
        # A registry of its own, as by default a schema elsewhere would be fetched.
        kind(schema, registry=Registry()).validate(to_jsonable_python(answer))
    except ValidationError as error:
        place = "".join(f".{each}" if isinstance(each, str) else f"[{each}]" for each in error.path)
        refuse(
            f"payload.value{place}",
            f"{error.message}; the question is still open, and its response_schema says what fits",
        )
    except (SchemaError, Unresolvable, PydanticSerializationError):
        return  # a schema that cannot be used says nothing about the answer


def keep_questions_open(saver: BaseCheckpointSaver[Any]) -> None:
    """From now on, `saver` does not keep an answer that a node failed on.

    LangGraph keeps what a node was answered together with its failure, and from then on gives it that first answer,
    whatever it is told. Without it, the question is as it was before.
    """
    for name in ("put_writes", "aput_writes"):
        setattr(saver, name, _without_answers_of_failures(getattr(saver, name)))


def _without_answers_of_failures(put: Any) -> Any:
    @functools.wraps(put)
    def put_less(config: Any, writes: Sequence[tuple[str, Any]], *args: Any, **more: Any) -> Any:
        if any(channel == ERROR for channel, _ in writes):
            writes = [write for write in writes if write[0] != RESUME]
        return put(config, writes, *args, **more)

    return put_less
