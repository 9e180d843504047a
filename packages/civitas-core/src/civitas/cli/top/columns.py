"""The table of agents: as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from civitas.cli.times import span
from civitas.cli.top.choosing import Agent
from civitas.cli.trees import when
from civitas.telemetry.readable import cut, escaped

__all__ = ["table_of"]

_STYLES = {"running": "green", "restarting": "yellow", "stopped": "dim", "terminated": "red"}
_NARROWEST, _WIDEST = 16, 64
"""Of the column of names."""
_GAP = 2
_LONGEST = 36


@dataclass(frozen=True, slots=True)
class _Column:
    """A column.

    Attributes:
        heading: Above it.
        text: What it says of an agent at a moment.
        rank: The higher, the sooner it is left out if there is too little room.
        right: Whether it has numbers.
        style: Of what it says.
    """

    heading: str
    text: Callable[[Agent, float], str]
    rank: int
    right: bool = False
    style: Callable[[Agent], str] = lambda agent: ""


def _status(agent: Agent, now: float) -> str:
    return "paused" if agent["paused"] else str(agent["status"])


def _status_style(agent: Agent) -> str:
    return "magenta" if agent["paused"] else _STYLES.get(agent["status"], "")


def _doing(agent: Agent, now: float) -> str:
    if agent["due"] is not None:
        return f"again in {span(agent['due'] - now)}"
    if silent := agent.get("silent"):
        return f"process silent for {span(silent)}"
    handling = agent["handling"]
    if handling is None:
        return ""
    facts = [handling["type"]]
    if handling["step"]:
        facts.append(handling["step"])
    if handling["asks"]:
        facts.append(f"waits for {', '.join(handling['asks'])}")
    if handling["retry_at"] is not None:
        facts.append(f"tries again in {span(handling['retry_at'] - now)}")
    return ", ".join(facts)


def _since(agent: Agent, now: float) -> str:
    handling = agent["handling"]
    return span(now - handling["since"]) if handling is not None else ""


def _age(agent: Agent, now: float) -> str:
    return span(now - agent["started"]) if agent["started"] is not None else ""


def _message(agent: Agent, now: float) -> str:
    return str(agent["handling"]["message"]) if agent["handling"] is not None else ""


def _left(agent: Agent, now: float) -> str:
    return "" if agent["restarts_left"] is None else str(agent["restarts_left"])


def _budget(agent: Agent, now: float) -> str:
    return ", ".join(f"{left:g} {what}" for what, left in (agent["budget"] or {}).items())


def _waiting(agent: Agent, now: float) -> str:
    return str(agent["waiting"]) if agent["kind"] == "agent" else ""


def _quiet(key: str, loud: str) -> Callable[[Agent], str]:
    return lambda agent: loud if agent[key] else "dim"


_COLUMNS = (
    _Column("kind", lambda agent, now: agent["kind"].replace("_", " "), 11, style=lambda _: "cyan"),
    _Column("status", _status, 1, style=_status_style),
    _Column("handles", _doing, 3),
    _Column("for", _since, 4, right=True),
    _Column("mailbox", _waiting, 2, right=True, style=_quiet("waiting", "bold")),
    _Column(
        "restarts",
        lambda agent, now: str(agent["restarts"]),
        5,
        right=True,
        style=_quiet("restarts", "yellow"),
    ),
    _Column("last error", lambda agent, now: agent["last_error"], 5, style=lambda _: "red"),
    _Column("left", _left, 12, right=True, style=lambda _: "dim"),
    _Column(
        "rate",
        lambda agent, now: f"{agent['rate']:.1f}/s" if agent["rate"] else "",
        8,
        right=True,
    ),
    _Column(
        "tokens",
        lambda agent, now: f"{agent['tokens']:,}" if agent["tokens"] else "",
        7,
        right=True,
    ),
    _Column("budget", _budget, 6),
    _Column("age", _age, 9, right=True, style=lambda _: "dim"),
    _Column("message", _message, 13, style=lambda _: "dim"),
    _Column("process", lambda agent, now: agent["node"] if agent["node"] != "root" else "", 6),
    _Column("pid", lambda agent, now: str(agent["pid"] or "-"), 10, right=True),
    _Column("next", lambda agent, now: when(agent["next"]) if agent["next"] else "", 6),
)


def _says_something(heading: str, rows: Sequence[tuple[str, Agent]], now: float) -> bool:
    (column,) = (each for each in _COLUMNS if each.heading == heading)
    return any(column.text(agent, now) for _, agent in rows)


def table_of(
    rows: Sequence[tuple[str, Agent]],
    width: int,
    now: float,
    selected: str | None = None,
    everything: Sequence[tuple[str, Agent]] = (),
) -> Table:
    """The agents, one on a line.

    Args:
        rows: They, each with the lines of the tree before its name.
        width: Of the terminal, in characters. Columns that do not fit are left out.
        now: In Unix seconds.
        selected: The name of the one that is marked.
        everything: What these are a part of: a column that says nothing of any is left out.
    """
    texts = {
        column.heading: [escaped(column.text(agent, now)) for _, agent in rows]
        for column in _COLUMNS
    }
    widths = {
        heading: min(max(cell_len(heading), *map(cell_len, each), 0), _LONGEST)
        for heading, each in texts.items()
        if any(each) or _says_something(heading, everything, now)
    }
    names = max(
        (cell_len(guide) + cell_len(cut(agent["name"])) for guide, agent in rows), default=4
    )
    names = min(max(names, cell_len("name")), _WIDEST)
    by_rank = sorted((each for each in _COLUMNS if each.heading in widths), key=lambda c: -c.rank)
    for column in by_rank:
        if sum(widths.values()) + _GAP * len(widths) + min(names, 2 * _NARROWEST) <= width:
            break
        if column.rank > 1:
            del widths[column.heading]
    room = width - sum(widths.values()) - _GAP * len(widths)
    names = min(names, max(room, _NARROWEST))
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    table.add_column("name", width=names, overflow="ellipsis", no_wrap=True)
    shown = [each for each in _COLUMNS if each.heading in widths]
    for column in shown:
        table.add_column(
            column.heading,
            width=widths[column.heading],
            justify="right" if column.right else "left",
            overflow="ellipsis",
            no_wrap=True,
        )
    for number, (guide, agent) in enumerate(rows):
        name = Text(guide, style="dim")
        name.append(cut(agent["name"]), style="not dim bold")
        cells = [Text(texts[each.heading][number], style=each.style(agent)) for each in shown]
        table.add_row(name, *cells, style="reverse" if agent["name"] == selected else "")
    return table
