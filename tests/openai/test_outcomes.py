"""Every exception that can be met has a place in the table."""

from __future__ import annotations

import pytest

from civitas_openai._outcomes import OUTCOMES
from tests.core.frameworks.exceptions import public, shown, unplaced


@pytest.mark.promise(id="SEM-1085")
def test_each_exception_that_the_framework_defines_today_is_placed() -> None:
    assert unplaced(OUTCOMES, "agents", "openai") == []


def test_the_page_has_the_table() -> None:
    assert shown("OpenAI Agents SDK") == public(OUTCOMES)
