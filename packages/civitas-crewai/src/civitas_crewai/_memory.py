"""What is kept of a conversation: the inputs and the outputs of its earlier runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from crewai import Crew

__all__ = ["HISTORY", "as_text", "earlier_runs", "remembering", "with_run"]

HISTORY = "history"
"""The template input that holds it."""

# What is kept: the newest runs, as many as fit. A model's window has an end, and a conversation need not have one.
_RUNS = 20
_CHARACTERS = 32_000


def earlier_runs(history: Any) -> list[dict[str, Any]]:
    """The runs in `Run.history`.

    Raises:
        ConfigurationError: A newer version kept it.
    """
    runs = [] if history is None else history
    if isinstance(runs, list) and all(_is_run(run) for run in runs):
        return runs
    raise ConfigurationError(
        "a newer civitas-crewai kept this conversation, in a form that is unknown here. Nothing was changed: upgrade "
        "civitas-crewai, or begin another conversation"
    )


def _is_run(run: Any) -> bool:
    return isinstance(run, dict) and run.keys() == {"inputs", "output"}


def with_run(history: Any, inputs: dict[str, Any], output: str) -> list[dict[str, Any]]:
    """`history` and one run more; the oldest are dropped, if they are too many or too long."""
    runs = [*(history or []), {"inputs": inputs, "output": output}][-_RUNS:]
    while len(runs) > 1 and len(as_text(runs)) > _CHARACTERS:
        del runs[0]
    return runs


def as_text(history: Any) -> str:
    """What a model is told about it; empty if there is none."""
    return "\n\n".join(
        f"Earlier inputs: {json.dumps(run['inputs'], ensure_ascii=False, default=str)}\n"
        f"Earlier output: {run['output']}"
        for run in history or []
    )


def remembering(crew: Crew, text: str) -> Callable[[Any], str | None]:
    """A hook of CrewAI's, before each task: `text` is context of the first, unless that has a place for it itself."""
    first = crew.tasks[0] if crew.tasks else None
    place = f"{{{HISTORY}}}"
    placed = first is None or place in first.description + first.expected_output

    def add(step: Any) -> str | None:
        if not text or placed or step.task is not first:
            return None
        return f"{text}\n\n{step.payload}" if step.payload else text

    return add
