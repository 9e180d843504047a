"""One long run that is killed, with Civitas and beside it with Temporal.

`wall`: an agent of the OpenAI Agents SDK with a conversation of 200,000 tokens calls a tool 100 times, and its process
is killed in call 61. Temporal and its plugin for the SDK have the environment of `make bench-peers`.

`high`: the same with 1,000 calls and 1,000,000 tokens, and the process is killed 20 times: with Civitas alone, for the
SDK, for LangGraph and, where there is an environment `.venv-crew`, for CrewAI.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable
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
    parser.add_argument(
        "--kills", type=int, default=_KILLS, help="of `high`; as far apart as can be"
    )
    parser.add_argument("--at-once", type=int, default=1, help="calls in one answer of the model")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the kills are logged
    logging.getLogger("civitas").setLevel(logging.CRITICAL)  # for the processes of the agents, too
    task = replace(_WALL if arguments.which == "wall" else _HIGH, at_once=arguments.at_once)
    if arguments.calls:
        task = replace(task, calls=arguments.calls)
    if arguments.which == "high":
        task = replace(task, kills=_spread(arguments.kills, task.calls))
    runs = _walls() if arguments.which == "wall" else _highs()
    chosen = {name: run for name, run in runs.items() if arguments.only in (None, name)}
    _show(task, {name: _in_folder(run, task) for name, run in chosen.items()})
    return 0


def _spread(kills: int, calls: int) -> tuple[int, ...]:
    """The calls in which the process is killed, so many of them."""
    return tuple(calls * (2 * each + 1) // (2 * kills) for each in range(kills))


def _walls() -> dict[str, Callable[[Task], Outcome]]:
    return {"civitas": lambda task: ours.run("sdk", task), "temporal": temporal.run}


def _highs() -> dict[str, Callable[[Task], Outcome]]:
    runs: dict[str, Callable[[Task], Outcome]] = {
        "sdk": lambda task: ours.run("sdk", task),
        "langgraph": lambda task: ours.run("langgraph", task),
    }
    if _CREW.exists():
        runs["crewai"] = lambda task: ours.run("crewai", task, str(_CREW))
    return runs


def _in_folder(run: Callable[[Task], Outcome], task: Task) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run(replace(task, folder=folder))


def _show(task: Task, outcomes: dict[str, Outcome]) -> None:
    table = Table("", "end", box=SIMPLE)
    for column in (
        "model calls",
        "tool calls",
        "made twice",
        "MB kept",
        "x content",
        "MB of file",
        "s",
    ):
        table.add_column(column, justify="right")
    for name, each in outcomes.items():
        share = each.kept / task.characters
        kept = f"{each.kept / 1e6:.2f}"
        figures = (str(each.asked), str(each.passed), str(each.twice), kept, f"{share:.2f}")
        file = f"{each.file / 1e6:.2f}" if each.file else ""
        table.add_row(name, each.end, *figures, file, f"{each.seconds:.0f}")
    tokens = task.characters // CHARACTERS
    print(f"{tokens:,} tokens, {task.calls} tool calls, killed {len(task.kills)} times")
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main())
