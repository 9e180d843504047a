"""One agent on the screen: what it does, its errors, its queue, its state, its conversations, its runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from civitas.cli.agents import errors, facts, queue, stacks
from civitas.cli.times import span
from civitas.telemetry.readable import cut, escaped

__all__ = ["PAGES", "lines_of"]

PAGES = ("now", "errors", "queue", "state", "conversations", "runs")


def lines_of(
    page: str, agent: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], selected: int
) -> list[Text]:
    """A page about an agent.

    Args:
        page: One of `PAGES`.
        agent: What `runtime.inspect` returns.
        runs: Its runs.
        selected: Which of them is marked.
    """
    now = time.time()
    lines: Iterator[Text]
    match page:
        case "now":
            lines = _now(agent, now)
        case "errors":
            lines = errors(agent, now, tracebacks=True)
        case "queue":
            lines = queue(agent, now)
        case "state":
            text = json.dumps(agent.get("state"), indent=2, default=str, ensure_ascii=False)
            lines = (Text(f"  {escaped(line)}") for line in text.splitlines())
        case "conversations":
            lines = (Text(f"  {cut(each)}") for each in agent.get("conversations", ()))
        case _:
            lines = _runs(runs, selected, now)
    return list(lines) or [Text(_NOTHING[page], style="dim")]


_NOTHING = {
    "now": "",
    "errors": "It has had no error.",
    "queue": "No message waits.",
    "state": "It has no state.",
    "conversations": "It has no message of a conversation.",
    "runs": "It has no run: only those of durable agents are known.",
}


def _now(agent: Mapping[str, Any], now: float) -> Iterator[Text]:
    yield from facts(agent, now)
    yield from stacks(agent)


def _runs(runs: Sequence[Mapping[str, Any]], selected: int, now: float) -> Iterator[Text]:
    for number, run in enumerate(runs):
        words = [cut(run["run"]), str(run["status"]), span(now - run["since"]), run["step"]]
        style = "reverse" if number == selected else "dim" if run["ended"] is not None else ""
        yield Text("  " + "  ".join(escaped(each) for each in words if each), style=style)
