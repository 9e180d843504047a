"""The board as text of a given size."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from civitas.cli.agents import lacks, with_silence
from civitas.cli.top.board import Board
from civitas.cli.top.choosing import Agent
from civitas.cli.top.columns import table_of
from civitas.cli.top.pages import PAGES, lines_of
from civitas.cli.trees import count
from civitas.telemetry.readable import cut, escaped

__all__ = ["drawn", "listed"]

_KEYS = (
    "? help",
    "q quit",
    "enter look",
    "r restart",
    "x stop",
    "p pause",
    "c resume",
    "K cancel run",
    "/ search",
    "s sort",
)
"""Those that act have room on 80 columns."""
_HELP = """\
Any key goes back.

up, down, j, k        move; Page Up, Page Down, Home and End, too
enter                 look into one: what it does, its errors, its queue, its state, its conversations, its runs
left, right, 1 to 6   another of these pages
escape, q             back to the list; there, escape ends a search, and q leaves
/                     search: names, and the message, conversation, run and step in hand
s                     sort by the next: the tree, mailbox, restarts, since, tokens, name
r                     restart it, or start it if it was stopped
x                     stop it
p, c                  pause it; let it go on
K                     cancel the run in hand, or the one that is marked among its runs
?                     this text

What acts asks first. Who did it is in the log of the system."""


def listed(overview: Mapping[str, Any], rows: Sequence[tuple[str, Agent]], width: int) -> Group:
    """All of the chosen agents, as long as that is."""
    heads = _heads(overview, overview["agents"])
    return Group(*heads, table_of(_with_silence(rows, overview), width, overview["time"]))


def drawn(board: Board, width: int, height: int, silent: str = "") -> RenderableType:
    """The screen.

    Args:
        board: What it shows.
        width: In characters.
        height: In lines.
        silent: That the system has not answered, and why; empty if it has.
    """
    if board.helps:
        return Text(_HELP)
    heads = _heads(board.about, board.agents.values(), silent)
    foot = _foot(board)
    room = max(height - len(heads) - 2, 1)
    if board.looks_into is None:
        rows = _visible(board, room)
        body: list[RenderableType] = [
            table_of(
                *(_with_silence(rows, board.about), width, _now(board)),
                *(board.selected, board.rows),
            )
            if rows
            else Text("no agent fits")
        ]
        body += [Text("")] * (room - len(rows))
    else:
        title, lines = _page(board)
        most = max(len(lines) - room, 0)
        if board.page == "runs":
            board.scrolled = min(max(board.run - room + 1, 0), most)
        board.scrolled = min(board.scrolled, most)
        shown = lines[board.scrolled : board.scrolled + room]
        body = [title, *shown, *[Text("")] * (room - len(shown))]
    everything = [*heads, *body, foot]
    for each in everything:
        if isinstance(each, Text):
            each.no_wrap, each.overflow = True, "ellipsis"
    return Group(*everything)


def _with_silence(
    rows: Sequence[tuple[str, Agent]], overview: Mapping[str, Any]
) -> list[tuple[str, Agent]]:
    agents = with_silence((agent for _, agent in rows), overview)
    return [(guide, agent) for (guide, _), agent in zip(rows, agents, strict=True)]


def _now(board: Board) -> float:
    return float(board.about.get("time", time.time()))


def _visible(board: Board, room: int) -> Sequence[tuple[str, Agent]]:
    """The rows around the one that is marked."""
    names = [agent["name"] for _, agent in board.rows]
    at = names.index(board.selected) if board.selected in names else 0
    first = max(0, min(at - room // 2, len(names) - room))
    return board.rows[first : first + room]


def _page(board: Board) -> tuple[Text, list[Text]]:
    title = Text(cut(board.looks_into or ""), style="bold")
    for number, page in enumerate(PAGES, 1):
        title.append("  ")
        title.append(f"{number} {page}", style="reverse" if page == board.page else "not bold dim")
    if board.refused:
        return title, [Text(escaped(board.refused), style="red")]
    if board.inspected is None:
        return title, [Text("looking…", style="dim")]
    if board.inspected["kind"] != "agent":
        return title, [
            Text("It is a supervisor and has no code of its own; look into what is below it.")
        ]
    return title, lines_of(board.page, board.inspected, board.runs, board.run)


def _foot(board: Board) -> Text:
    if board.asks is not None:
        return Text(
            f"{escaped(board.asks.question)} y does it, any other key does not", "bold yellow"
        )
    if board.typed is not None:
        return Text(f"/{escaped(board.typed)}▏  enter keeps it, escape ends it", style="bold")
    if board.note:
        return Text(escaped(board.note), style="bold red" if board.failed else "green")
    foot = Text("  ".join(_KEYS), style="dim")
    if told := _told(board):
        foot = Text(told + "  ", style="cyan").append_text(foot)
    return foot


def _told(board: Board) -> str:
    """What was chosen, as long as it is not everything."""
    choice = board.choice
    parts = [f"by {choice.order}"] if choice.order is not None else []
    parts += [escaped(choice.glob)] if choice.glob else []
    parts += [str(choice.doing)] if choice.doing is not None else []
    parts += [f"/{escaped(choice.search)}"] if choice.search else []
    return ", ".join(parts)


def _heads(
    overview: Mapping[str, Any], all_agents: Iterable[Agent], silent: str = ""
) -> list[RenderableType]:
    """The lines above: the system, who leads it, and each OS process that does not answer."""
    everything = list(all_agents)
    agents = [agent for agent in everything if agent["kind"] == "agent"]
    running = sum(agent["status"] == "running" for agent in agents)
    restarts = sum(agent["restarts"] for agent in everything)
    waiting = sum(agent["waiting"] for agent in agents)
    text = Text(f"{running} of {count(len(agents), 'agent')} running, ")
    text.append(f"{count(restarts, 'restart')}, {count(waiting, 'message')} waiting")
    if silent:
        text.append(f"  {escaped(silent)}", style="bold red")
    heads: list[RenderableType] = [text]
    if (leader := overview.get("leader")) is not None:
        since = time.strftime("%H:%M:%S", time.localtime(leader["since"]))
        heads.append(
            Text(f"led by process {leader['pid']} on {leader['host']} since {since}", style="dim")
        )
    return [*heads, *lacks(overview)]
