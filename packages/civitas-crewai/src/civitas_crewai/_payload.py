"""From a message's payload to the inputs of a crew, and from its output to the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crewai import CrewOutput, TaskOutput

from civitas.errors import PayloadError
from civitas.frameworks import comes_from, plain
from civitas.message import to_plain
from civitas_crewai._memory import HISTORY

if TYPE_CHECKING:
    from crewai import Crew

    from civitas.frameworks import Progress, Run

__all__ = [
    "Unfit",
    "as_inputs",
    "check_inputs",
    "noting",
    "output_of",
    "reply_of",
    "task_names",
    "tell_usage",
    "text_of",
    "told",
    "totals_of",
]

_USED = ("successful_requests", "prompt_tokens", "completion_tokens", "total_tokens")

_PLACEHOLDER = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")


class Unfit(PayloadError):
    """Inputs that a crew cannot be run with; names the one that does not fit."""


def _wanted(crew: Crew) -> list[str]:
    """The inputs that the crew's templates name."""
    return sorted(word for word in crew.fetch_inputs() - {HISTORY} if _PLACEHOLDER.fullmatch(word))


def check_inputs(crew: Crew, inputs: Any, *, complete: bool) -> None:
    """Check what can be checked before anything runs.

    Args:
        crew: That is to be run.
        inputs: With which.
        complete: Whether these are all; callbacks before the kickoff may add some, and turn others into text.

    Raises:
        Unfit: It names the input.
    """
    names = _wanted(crew)
    takes = ", ".join(map(repr, names)) or "any inputs"
    if not isinstance(inputs, dict):
        got = type(inputs).__name__
        raise Unfit(
            "payload", f"a dict of kickoff inputs is needed, got {got}; the crew takes {takes}"
        )
    for name in inputs:
        if not isinstance(name, str):
            got = type(name).__name__
            raise Unfit(f"payload[{name!r}]", f"the name of an input is text; this one is {got}")
    if not complete:
        return
    missing = [name for name in names if name not in inputs]
    if missing:
        have = ", ".join(map(repr, inputs)) or "nothing"
        raise Unfit(
            f"payload.{missing[0]}",
            f"it is missing; the crew takes {takes}, the payload has {have}",
        )
    as_inputs(inputs)


def as_inputs(payload: Mapping[str, Any]) -> dict[str, Any]:
    """From what a payload may hold to what a template may: text, numbers, None, and lists and dicts of these.

    Dates and times become ISO 8601; a UUID, a Decimal and a timedelta their text; a set a list, in order.

    Raises:
        Unfit: It holds bytes, or what no payload may.
    """
    return {name: _input(value, f"payload.{name}") for name, value in payload.items()}


def told(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as a model is shown them later; what cannot be told is left out."""
    inputs = {}
    for name, value in payload.items():
        try:
            inputs[str(name)] = _input(value, "payload")
        except Unfit:
            continue
    return inputs


def _input(value: Any, path: str) -> Any:
    if comes_from(value, "crewai_files"):
        return value  # a callback of the crew made it, and CrewAI takes it out
    try:
        return _text(to_plain(value, path), path)
    except PayloadError as error:
        raise Unfit(error.path, error.problem) from None


def _text(value: Any, path: str) -> Any:
    if isinstance(value, bytes):
        raise Unfit(
            path,
            "bytes cannot be put in a prompt; send text, or a reference that the crew's tools can follow",
        )
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (UUID, Decimal, timedelta)):
        return str(value)
    if isinstance(value, dict):
        return {
            str(key) if isinstance(key, (UUID, bytes)) else key: _text(item, f"{path}[{key!r}]")
            for key, item in value.items()
        }
    if isinstance(value, (set, frozenset)):
        return [_text(item, path) for item in sorted(value, key=str)]
    if isinstance(value, list):
        return [_text(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def task_names(crew: Crew) -> list[str]:
    """A short name for each task: its own, or its number, as its description is a prompt."""
    return [task.name or f"task {number}" for number, task in enumerate(crew.tasks, 1)]


def noting(crew: Crew, progress: Progress) -> Callable[[Any], None]:
    """A hook of CrewAI's, before each task: it notes which one begins."""
    names = dict(zip(map(id, crew.tasks), task_names(crew), strict=True))

    def note(step: Any) -> None:
        if (name := names.get(id(step.task))) is not None:
            progress.begins(name)

    return note


def reply_of(crew: Crew, done: Any, result: Any, run: Run) -> dict[str, Any]:
    """The reply to a message; of tools that failed, `run` is told.

    Args:
        crew: That ran.
        done: Its output, before the callbacks after it.
        result: What these made of it.
        run: Whose reply it is.
    """
    tasks = _tasks(crew, done)
    run.failures([each for _, task in tasks for each in _failures(task)])
    return {
        "output": output_of(result),
        "tasks": [{"name": name, "raw": task.raw} for name, task in tasks],
    }


def tell_usage(run: Run, usage: Mapping[str, int]) -> None:
    """Say what the models of a crew used, where they told it.

    Args:
        run: Of the crew.
        usage: As in CrewAI's `UsageMetrics`, the sum of what each call used.
    """
    if usage:
        run.used(*totals_of(usage))


def totals_of(usage: Mapping[str, int]) -> tuple[int, ...]:
    """The requests and the tokens in CrewAI's `UsageMetrics`, in the order of `Run.used`."""
    return tuple(usage.get(name, 0) for name in _USED)


def output_of(result: Any) -> Any:
    """The output of a crew or of a task as a reply has it; anything else as it is."""
    if not isinstance(result, (CrewOutput, TaskOutput)):
        return result
    if result.pydantic is not None:
        return result.pydantic
    return result.raw if result.json_dict is None else result.json_dict


def text_of(result: Any) -> str:
    """An output as text, for a model."""
    if isinstance(result, (CrewOutput, TaskOutput)):
        return result.raw
    return result if isinstance(result, str) else json.dumps(plain(result), default=str)


def _tasks(crew: Crew, done: Any) -> list[tuple[str, TaskOutput]]:
    names = task_names(crew)
    outputs = done.tasks_output if isinstance(done, CrewOutput) else []
    if len(outputs) == len(names):
        return list(zip(names, outputs, strict=True))
    # A hook of the crew's changed its output.
    pairs = zip(names, crew.tasks, strict=True)
    return [(name, task.output) for name, task in pairs if task.output is not None]


def _failures(output: TaskOutput) -> Iterator[tuple[str, str]]:
    for record in output.tool_failures:
        yield record.tool_name, record.failure.as_agent_message()
