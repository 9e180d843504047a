"""One long run that is killed, with Civitas and beside it with Temporal.

`wall`: an agent of the OpenAI Agents SDK with a conversation of 200,000 tokens calls a tool 100 times, and its process
is killed in call 61. Temporal and its plugin for the SDK have the environment of `make bench-peers`.

`high`: the same with 1,000 calls and 1,000,000 tokens, and the process is killed 20 times, at random moments: with
Civitas alone, for the SDK, for LangGraph and, where there is an environment `.venv-crew`, for CrewAI.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.wall import ours, temporal
from benchmarks.wall.ours import Outcome
from benchmarks.wall.task import CHARACTERS, Task

_WALL = Task("", tokens=200_000, calls=100, result=25, kills=(60,))
# A thousand results of 800 tokens, and the conversation before them.
_HIGH = Task("", tokens=200_000, calls=1000, result=800, kills=())
_KILLS = 20

_CREW = Path(".venv-crew")
_SYSTEMS = ("civitas", "temporal")
_FRAMEWORKS = ("sdk", "langgraph", "crewai")


def main() -> int:
    """Run what was asked for, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wall", description=__doc__)
    parser.add_argument("which", nargs="?", choices=["wall", "high"], default="wall")
    parser.add_argument("--only", choices=[*_SYSTEMS, *_FRAMEWORKS], help="leave out the others")
    parser.add_argument("--calls", type=int, help="other than 100, and 1,000")
    parser.add_argument("--kills", type=int, default=_KILLS, help="of `high`, at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of these moments")
    parser.add_argument("--at-once", type=int, default=1, help="calls in one answer of the model")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the kills are logged
    logging.getLogger("civitas").setLevel(logging.CRITICAL)  # for the processes of the agents, too
    task = replace(_WALL if arguments.which == "wall" else _HIGH, at_once=arguments.at_once)
    if arguments.calls:
        task = replace(task, calls=arguments.calls)
    dice = random.Random(arguments.seed)
    moments = [dice.uniform(0, task.calls) for _ in range(arguments.kills)]
    runs = _walls() if arguments.which == "wall" else _highs(moments)
    chosen = {name: run for name, run in runs.items() if arguments.only in (None, name)}
    _show(task, {name: _in_folder(run, task) for name, run in chosen.items()})
    return 0


def _walls() -> dict[str, Callable[[Task], Outcome]]:
    return {"civitas": lambda task: ours.run("sdk", task), "temporal": temporal.run}


def _highs(moments: Sequence[float]) -> dict[str, Callable[[Task], Outcome]]:
    def of(framework: str, python: Path | None = None) -> Callable[[Task], Outcome]:
        return lambda task: ours.run(framework, task, str(python) if python else None, moments)

    runs = {"sdk": of("sdk"), "langgraph": of("langgraph")}
    if _CREW.exists():
        runs["crewai"] = of("crewai", _CREW)
    return runs


def _in_folder(run: Callable[[Task], Outcome], task: Task) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run(replace(task, folder=folder))


def _show(task: Task, outcomes: dict[str, Outcome]) -> None:
    table = Table("", "end", box=SIMPLE)
    for column in (
        "model calls",
        "calls begun",
        "took effect",
        "twice",
        "kills",
        "MB kept",
        "x content",
        "MB of file",
        "s",
        "of the processor",
    ):
        table.add_column(column, justify="right")
    for name, each in outcomes.items():
        share = each.kept / task.characters
        kept = f"{each.kept / 1e6:.2f}"
        figures = (
            each.asked,
            each.begun,
            each.passed,
            each.twice,
            each.killed,
            kept,
            f"{share:.2f}",
        )
        spent = f"{each.processor:.0f}" if each.processor else ""
        file = f"{each.file / 1e6:.2f}" if each.file else ""
        table.add_row(name, each.end, *map(str, figures), file, f"{each.seconds:.0f}", spent)
    tokens = task.characters // CHARACTERS
    print(f"{tokens:,} tokens, {task.calls} tool calls")
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
