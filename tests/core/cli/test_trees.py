"""Trees as `civitas top` shows them."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import pytest
from rich.console import Console

from civitas.cli.watching import _view


def shown(**more: Any) -> str:
    entry = {"node": "root", "pid": 1, "restarts": 0, "mailbox_depth": 0, "status": "running"}
    agent = {**entry, "name": "a", "kind": "agent", "children": [], **more}
    console = Console(width=120, file=io.StringIO())
    console.print(_view({**entry, "name": "root", "kind": "supervisor", "children": [agent]}))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.promise(id="SEM-1667")
def test_top_says_when_an_agent_is_due_and_says_nothing_where_none_is() -> None:
    due = datetime(2027, 1, 15, 8, 30).astimezone()
    assert "2027-01-15 08:30:00" in shown(next=due.timestamp())
    assert "next" not in shown()
