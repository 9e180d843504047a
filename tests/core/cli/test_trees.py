"""Trees as `civitas top` shows them."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.core.cli.tops import agent, printed


@pytest.mark.promise(id="SEM-1667")
def test_top_says_when_an_agent_is_due_and_says_nothing_where_none_is() -> None:
    due = datetime(2027, 1, 15, 8, 30).astimezone()
    assert "2027-01-15 08:30:00" in printed([agent("a", next=due.timestamp())])
    assert "next" not in printed([agent("a")])
