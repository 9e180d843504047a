"""A profile of an agent on a terminal: where its time went, as a tree of stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.text import Text
from rich.tree import Tree

from civitas.cli.agents import short
from civitas.cli.trees import count
from civitas.telemetry.readable import cut, escaped

__all__ = ["profile_tree"]

_LEAST = 0.01
"""The share of the samples that a line must have."""
_KINDS = (
    ("loop", "loop", "ran on the event loop"),
    ("thread", "thread", "ran in threads"),
    ("waits", "await", "waited, with a message in hand"),
    ("idle", "", "waited for a message, or did not run"),
)
_OF_CIVITAS = f"{Path(__file__).parents[1]}/"
_OF_OTHERS = ("/asyncio/", "/concurrent/futures/", "/threading.py", "/contextlib.py")


@dataclass(slots=True)
class _Line:
    """A line of code, and what it calls."""

    frame: Mapping[str, Any]
    samples: int = 0
    below: dict[tuple[Any, ...], _Line] = field(default_factory=dict)


def profile_tree(agent: Mapping[str, Any]) -> Tree:
    """The profile of an agent, as `runtime.inspect` returns it."""
    profile = agent["profile"]
    samples = max(profile["samples"], 1)
    head = Text(cut(agent["name"]), style="bold")
    head.append(
        f"  {profile['seconds']:.1f} s, {count(profile['samples'], 'sample')}", style="not bold"
    )
    tree = Tree(head)
    for key, where, text in _KINDS:
        if not profile[key]:
            continue
        branch = tree.add(Text(f"{_share(profile[key], samples)}  {text}", style="bold"))
        lines: dict[tuple[Any, ...], _Line] = {}
        for each in profile["stacks"]:
            if each["where"] == where:
                _enter(lines, _own(each["stack"]), each["samples"])
        _grow(branch, lines, samples)
    others = {name: times for name, times in profile["others"].items() if times >= _LEAST * samples}
    if others:
        branch = tree.add(Text("meanwhile the event loop was held by"))
        for name, times in others.items():
            branch.add(Text(f"{_share(times, samples)}  {cut(name) if name else 'Civitas itself'}"))
    return tree


def _own(stack: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """A stack without what leads to the agent's code: the loops and threads of Civitas and of Python."""
    for number, frame in enumerate(stack):
        file = frame["file"]
        if not file.startswith(_OF_CIVITAS) and not any(each in file for each in _OF_OTHERS):
            return stack[number:]
    return stack[-1:]


def _enter(lines: dict[tuple[Any, ...], _Line], stack: Sequence[Mapping[str, Any]], n: int) -> None:
    for frame in stack:
        line = lines.setdefault((frame["file"], frame["line"], frame["function"]), _Line(frame))
        line.samples += n
        lines = line.below


def _grow(branch: Tree, lines: Mapping[tuple[Any, ...], _Line], samples: int) -> None:
    for line in sorted(lines.values(), key=lambda each: -each.samples):
        if line.samples < _LEAST * samples:
            continue
        frame = line.frame
        text = Text(f"{_share(line.samples, samples)}  ")
        text.append(escaped(frame["function"]), style="bold")
        text.append(f"  {short(frame['file'])}:{frame['line']}", style="dim")
        if frame["code"]:
            text.append(f"  {cut(frame['code'])}")
        _grow(branch.add(text), line.below, samples)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:3.0f} %"
