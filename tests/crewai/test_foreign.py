"""What of CrewAI's no adapter runs."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.flow.flow import Flow, start

from civitas.errors import ConfigurationError, StartFailed
from civitas.frameworks import wrap
from civitas.runtime import Runtime
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

HOW = r"Poem is a CrewAI Flow, which cannot be wrapped yet.*await Poem\(\)\.akickoff\(inputs=message\.payload\)"


class Poem(Flow[dict[str, Any]]):
    """A flow."""

    @start()
    def write(self) -> str:
        """Write it."""
        return "roses"


@pytest.mark.promise(id="SEM-1067")
@pytest.mark.usefixtures("lancedb")
@pytest.mark.parametrize("each", [False, True])
def test_a_flow_and_a_class_of_flows_are_refused_when_they_are_wrapped_with_what_to_do(each):
    for given in (Poem, Poem(suppress_flow_events=True)):
        with pytest.raises(ConfigurationError, match=HOW) as refused:
            wrap(given, name="poem", per_conversation=each)
        assert "\n" not in str(refused.value)


@pytest.mark.promise(id="SEM-1067")
def test_a_flow_is_refused_by_the_adapter_and_by_a_topology_too():
    with pytest.raises(ConfigurationError, match=HOW):
        CrewAIAgent("poem", crew=Poem)
    child = {"agent": {"name": "poem", "wrap": f"{__name__}:Poem"}}
    config = {"supervision": {"name": "root", "children": [child]}}
    with pytest.raises(ConfigurationError, match=HOW):
        Runtime.from_config(config)


@pytest.mark.usefixtures("lancedb")
async def test_a_function_that_makes_a_flow_is_refused_when_the_agent_starts():
    with pytest.raises(StartFailed, match=HOW):
        async with running(wrap(lambda: Poem(suppress_flow_events=True), name="poem")):
            pass


def test_an_agent_and_a_task_of_crewais_are_refused_with_what_to_do():
    who: Any = clerk("gpt-4o")
    for given in (who, task(who)):
        with pytest.raises(ConfigurationError, match=r"runs in a crew; wrap Crew\(agents="):
            wrap(given, name="c")
