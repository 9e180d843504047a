"""Every exception that can be met has a place in the table."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from civitas_crewai._outcomes import OUTCOMES
from tests.core.frameworks.exceptions import public, shown, unplaced
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.promise(id="SEM-1085")
def test_each_exception_that_the_framework_defines_today_is_placed() -> None:
    assert unplaced(OUTCOMES, "crewai") == []


def test_the_page_has_the_table() -> None:
    assert shown("CrewAI") == public(OUTCOMES)


class Verdict(BaseModel):
    score: int


@pytest.mark.parametrize("kind", ["output_pydantic", "output_json"])
async def test_an_answer_of_another_shape_is_told_once_and_the_agent_lives(kind: str) -> None:
    model = SuiteModel('{"score": "high"}')
    keywords: Any = {kind: Verdict}
    make = lambda: crew_of(task(clerk(model), **keywords))  # noqa: E731
    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("c", {})
        assert failed.value.error_type in ("ConverterError", "ValidationError")
        asked = len(model.seen)
        assert restarts(runtime) == 0
        with pytest.raises(HandlerFailed):
            await runtime.ask("c", {})
    assert len(model.seen) == 2 * asked
