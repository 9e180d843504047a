"""What CrewAI remembers by itself, with `memory=`."""

from __future__ import annotations

from typing import Any

import pytest
from crewai import Memory

from civitas.testing import SuiteModel
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running
from tests.crewai.crews import clerk, crew_of, task
from tests.crewai.models import played

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.promise(id="SEM-1069")
@pytest.mark.usefixtures("lancedb")
async def test_memory_is_read_and_written_once_so_that_the_prompts_stay_as_they_were(tmp_path):
    model = SuiteModel("first", RuntimeError("broken"), "second")
    analyst = SuiteModel(*["no JSON"] * 20)

    def embed(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.5, 0.25] for _ in texts]

    memory = Memory(llm=played(analyst), storage=str(tmp_path), embedder=embed)

    def make() -> Any:
        who = clerk(model)
        return crew_of(task(who, "one"), task(who, "two"), memory=memory)

    async with running(CrewAIAgent("c", crew=make, durable=True)) as runtime:
        reply = await runtime.ask("c", {})
        assert restarts(runtime) == 0
    texts = [each.content for each in memory.list_records()]
    memory.close()
    assert [each["raw"] for each in reply.payload["tasks"]] == ["first", "second"]
    assert len(model.seen) == 3
    assert sorted(text.rsplit(": ", 1)[1] for text in texts) == ["first", "second"]
