"""What the tests of `civitas top` look at: agents as an overview tells of them, and the screen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console, RenderableType

from civitas.cli.top.choosing import Choice, chosen
from civitas.cli.top.drawing import listed

NOW = 1_800_000_000.0


def agent(name: str, parent: str | None = "root", **more: Any) -> dict[str, Any]:
    """One that waits for a message."""
    return {
        "name": name,
        "kind": "agent",
        "parent": parent,
        "status": "running",
        "paused": False,
        "node": "root",
        "pid": 4711,
        "restarts": 0,
        "restarts_left": 3,
        "due": None,
        "next": None,
        "started": NOW - 90,
        "handling": None,
        "waiting": 0,
        "oldest": None,
        "handled": 0,
        "rate": 0.0,
        "failed": 0,
        "last_error": "",
        "tokens": 0,
        "budget": None,
        **more,
    }


def supervisor(name: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    """One that runs."""
    return agent(name, parent, kind="supervisor", started=None, **more)


def handled(since: float, **more: Any) -> dict[str, Any]:
    """A message in hand for so many seconds."""
    return {
        "message": "m-1",
        "type": "message",
        "sender": None,
        "conversation": None,
        "run": "run-1",
        "attempt": 0,
        "since": NOW - since,
        "step": "",
        "moved": None,
        "retry_at": None,
        "asks": [],
        "tokens": 0,
        **more,
    }


def overview(agents: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A whole system."""
    return {
        "version": 1,
        "time": NOW,
        "system": "team",
        "whole": True,
        "agents": list(agents),
        "gone": [],
        "nodes": [],
        "leader": None,
        **more,
    }


def text_of(what: RenderableType, width: int = 120, height: int = 25) -> str:
    """It as it is printed."""
    screen = io.StringIO()
    Console(file=screen, width=width, height=height).print(what)
    return screen.getvalue()


def printed(
    agents: Sequence[dict[str, Any]], choice: Choice | None = None, width: int = 200
) -> str:
    """What `civitas top --once` prints of a system."""
    rows = chosen(agents, choice or Choice())
    return text_of(listed(overview(agents), rows, width), width)
