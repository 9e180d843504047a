"""Tools of the runtime as tools of a crew."""

from __future__ import annotations

import pytest

from civitas import Runtime, Supervisor, wrap
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import runtime_tools
from tests.core.frameworks.shared_tools import double
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.promise(id="SEM-1888")
@pytest.mark.parametrize(("number", "said"), [(4, "8"), (-1, "Error: it is below 0")])
async def test_a_crew_calls_a_tool_of_the_runtime(number: int, said: str) -> None:
    model = SuiteModel(ToolCall("double", {"number": number}), "end")
    agent = wrap(lambda: crew_of(task(clerk(model, tools=runtime_tools()))), name="c")
    async with Runtime(Supervisor("root", [agent]), tools=[double]) as runtime:
        await runtime.ask("c", {})
    assert said in model.seen[1][-1]
