"""The table of public agents, which `make test-wild` writes."""

from __future__ import annotations

from tests.wild.cases import CASES
from tests.wild.table import rows


def test_the_table_has_a_row_for_each_public_agent_and_none_that_failed():
    table = rows()
    assert list(table) == [each.name for each in CASES]
    assert len(table) >= 30
    assert [name for name, row in table.items() if "FAILED" in row] == []
