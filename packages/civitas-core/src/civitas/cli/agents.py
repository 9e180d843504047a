"""An agent of a running system in words, line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from civitas.cli.times import span
from civitas.cli.trees import count
from civitas.telemetry.readable import cut, escaped

__all__ = [
    "about",
    "errors",
    "facts",
    "lacks",
    "line_of",
    "queue",
    "short",
    "stacks",
    "state",
    "with_silence",
]

_STYLES = {"running": "green", "restarting": "yellow", "stopped": "dim", "terminated": "red"}
_OF_CIVITAS = f"{Path(__file__).parents[1]}/"
_SILENT = 1.0
"""Seconds after which a process that has not answered is said to be silent."""
_BUDGETS = 20
"""So many are told."""
_LIBRARY = re.compile(r"^/.*/(site-packages|lib/python3\.\d+)/")


def with_silence(
    agents: Iterable[Mapping[str, Any]], overview: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The same agents; where their OS process does not answer, for how many seconds stands under `silent`."""
    of_node = {each["name"]: each["silent"] for each in overview.get("nodes", ())}
    for agent in agents:
        seconds = of_node.get(agent["node"], 0.0)
        yield {**agent, "silent": seconds} if seconds >= _SILENT else dict(agent)


def line_of(agent: Mapping[str, Any], now: float) -> Text:
    """An agent or supervisor in one line: what it is, and what it does."""
    text = Text(cut(agent["name"]), style="bold")
    text.append(f"  {agent['kind'].replace('_', ' ')}", style="not bold cyan")
    text.append(
        f"  {agent['status']}", style=f"not bold {_STYLES.get(agent['status'], '')}".strip()
    )
    said = _does(agent, now)
    if agent["restarts"]:
        said.append(count(agent["restarts"], "restart"))
    if agent["last_error"]:
        said.append(f"last error {agent['last_error']}")
    if agent["waiting"]:
        said.append(f"{agent['waiting']} waiting")
    if agent["node"] != "root":
        said.append(f"process {agent['node']}")
    if silent := agent.get("silent"):
        said.append(f"which has not answered for {span(silent)}")
    text.append("".join(f", {escaped(each)}" for each in said), style="not bold")
    return text


def _does(agent: Mapping[str, Any], now: float) -> list[str]:
    """What an agent does, in a few words."""
    facts = ["paused"] if agent["paused"] else []
    if (due := agent["due"]) is not None:
        facts.append(f"again in {span(due - now)}")
    handling = agent["handling"]
    if handling is not None:
        facts.append(f"handles {handling['type']} for {span(now - handling['since'])}")
        if handling["step"]:
            facts.append(handling["step"])
        if handling["asks"]:
            facts.append(f"waits for {', '.join(handling['asks'])}")
        if handling["retry_at"] is not None:
            facts.append(f"tries again in {span(handling['retry_at'] - now)}")
    return facts


def lacks(overview: Mapping[str, Any]) -> Iterator[Text]:
    """What does not go on by itself, line by line: OS processes that do not answer, and questions to a human."""
    for node in overview.get("nodes", ()):
        name = escaped(node["name"])
        if node["silent"] >= _SILENT:
            said = f"process {name} has not answered for {span(node['silent'])}"
            yield Text(said, style="bold red")
        elif node["status"] == "down":
            yield Text(f"process {name} is down", style="bold red")
    if questions := overview.get("questions", 0):
        waits = "waits" if questions == 1 else "wait"
        said = f"{count(questions, 'run')} {waits} for a human; `civitas runs list --status waiting` shows them"
        yield Text(said, style="bold yellow")


def about(agent: Mapping[str, Any], now: float, *, verbose: bool) -> Iterator[Text]:
    """Everything about an agent, line by line."""
    yield from facts(agent, now)
    yield from stacks(agent, whole=verbose)
    told = (queue(agent, now), errors(agent, now, tracebacks=verbose), state(agent))
    for heading, lines in zip(("queue", "errors", "state"), map(list, told), strict=True):
        if lines:
            yield Text(heading, style="bold")
            yield from lines


def facts(agent: Mapping[str, Any], now: float) -> Iterator[Text]:
    """What it does, and since when."""
    yield line_of(agent, now)
    if agent["started"] is not None:
        yield Text(f"  began {span(now - agent['started'])} ago")
    if agent["restarts_left"] is not None:
        yield Text(f"  {count(agent['restarts_left'], 'restart')} left")
    yield from _budgets(agent)
    handling = agent["handling"]
    if handling is not None:
        who = handling["sender"] or "outside"
        yield Text(f"  message {handling['message']} from {escaped(who)}")
        if handling["conversation"] is not None:
            yield Text(f"  conversation {escaped(handling['conversation'])}")
        if handling["tokens"]:
            yield Text(f"  {count(handling['tokens'], 'token')}")


def _budgets(agent: Mapping[str, Any]) -> Iterator[Text]:
    """What is left of its budgets, of those of its supervisors and of its conversations."""
    budgets = agent.get("budgets", ())
    for each in budgets[:_BUDGETS]:
        left = ", ".join(
            f"{left:g} of {each['limits'][what]:g} {what}" for what, left in each["left"].items()
        )
        yield Text(f"  {left} left of the budget of {escaped(each['of'])}")
    if len(budgets) > _BUDGETS:
        yield Text(f"  and {len(budgets) - _BUDGETS:,} more budgets of its conversations")


def queue(agent: Mapping[str, Any], now: float) -> Iterator[Text]:
    """The messages that wait."""
    for each in agent.get("queue", ()):
        words = (
            each["message"],
            escaped(each["type"]),
            f"from {escaped(each['sender'] or 'outside')}",
            span(now - each["sent"]),
        )
        yield Text("  " + "  ".join(words))


def errors(agent: Mapping[str, Any], now: float, *, tracebacks: bool) -> Iterator[Text]:
    """The last errors, the newest last."""
    for each in agent.get("errors", ()):
        first = each["error"].partition("\n")[0]
        yield Text(f"  {span(now - each['time'])} ago  {escaped(first)}", style="red")
        if tracebacks:
            for line in each["traceback"].rstrip().splitlines():
                yield Text(f"    {escaped(line)}", style="dim")


def state(agent: Mapping[str, Any]) -> Iterator[Text]:
    """Its state, as JSON."""
    if agent.get("state"):
        yield Text(f"  {escaped(json.dumps(agent['state'], default=str))}")


def stacks(agent: Mapping[str, Any], *, whole: bool = False) -> Iterator[Text]:
    """Where the code of an agent is, line by line, and who blocks its event loop.

    Args:
        agent: The agent.
        whole: Whether the code of Civitas is in it, too.
    """
    blocked = agent.get("blocked")
    if blocked is not None:
        by = f"by {blocked['by']!r}" if blocked["by"] else "by code of no agent"
        text = (
            f"the event loop of {blocked['node']!r} is blocked {by} for {span(blocked['seconds'])}"
        )
        yield Text(text, style="bold red")
        if blocked["by"] != agent["name"]:
            yield from _frames(blocked["stack"], whole=whole)
    for stack in (agent.get("stack", ()), *agent.get("threads", ())):
        if not stack:
            continue
        yield Text("stack", style="bold")
        yield from _frames(stack, whole=whole)


def _frames(stack: Sequence[Mapping[str, Any]], *, whole: bool) -> Iterator[Text]:
    own = [frame for frame in stack if not frame["file"].startswith(_OF_CIVITAS)]
    for frame in stack if whole or not own else own:
        place = f"{short(frame['file'])}:{frame['line']}"
        yield Text(f"  {place} in {escaped(frame['function'])}")
        yield Text(f"    {escaped(frame['code'])}", style="dim")


def short(file: str) -> str:
    """A path as one reads it: from here on where it leads down from here, of a library from its package on."""
    return escaped(_LIBRARY.sub("", file.removeprefix(f"{Path.cwd()}/")))
