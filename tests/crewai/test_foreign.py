"""What of CrewAI's no adapter runs."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.flow.flow import Flow, start

from civitas.errors import ConfigurationError, StartFailed
from civitas.frameworks import wrap
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HOW = r"Poem is a CrewAI Flow, not a crew\. Use civitas\.wrap\(Poem, name=\.\.\.\), or FlowAgent\(\.\.\., flow=Poem\)"


class Poem(Flow[dict[str, Any]]):
    """A flow."""

    @start()
    def write(self) -> str:
        """Write it."""
        return "roses"


@pytest.mark.promise(id="SEM-1067")
@pytest.mark.usefixtures("lancedb")
def test_a_flow_where_a_crew_is_wanted_is_refused_with_what_to_do():
    for given in (Poem, Poem(suppress_flow_events=True)):
        with pytest.raises(ConfigurationError, match=HOW) as refused:
            CrewAIAgent("poem", crew=given)  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("lancedb")
async def test_a_function_that_makes_a_flow_where_a_crew_is_wanted_is_refused_at_the_start():
    with pytest.raises(StartFailed, match=HOW):
        async with running(CrewAIAgent("poem", crew=lambda: Poem(suppress_flow_events=True))):
            pass


def test_an_agent_and_a_task_of_crewais_are_refused_with_what_to_do():
    who: Any = clerk("gpt-4o")
    for given in (who, task(who)):
        with pytest.raises(ConfigurationError, match=r"runs in a crew; wrap Crew\(agents="):
            wrap(given, name="c")
