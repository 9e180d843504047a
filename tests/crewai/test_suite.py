"""What every adapter promises."""

from __future__ import annotations

from typing import Any

import pytest
from crewai import Agent, Crew, Task

from civitas.testing import AdapterSuite, SuiteModel
from civitas_crewai import agent_tool
from tests.crewai.models import played

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class TestCrewAIAdapter(AdapterSuite):
    approves = ""
    blocking = True

    def subject(
        self, model: SuiteModel, *, calls: int = 1, approval: bool = False, tools: Any = ()
    ) -> Any:
        def make() -> Crew:
            clerk = Agent(
                role="Clerk",
                goal="Answer",
                backstory="You answer.",
                llm=played(model),
                tools=list(tools),
                max_retry_limit=0,
            )
            tasks = [
                Task(
                    name=f"answer{number}",
                    description="Answer: {text}",
                    expected_output="Text",
                    agent=clerk,
                    human_input=approval and number == calls - 1,
                )
                for number in range(calls)
            ]
            return Crew(agents=[clerk], tasks=tasks)

        return make

    def payload(self, text: str) -> Any:
        return {"text": text}

    def text(self, payload: Any) -> str:
        text: str = payload["output"]
        return text

    def tool(self, name: str) -> Any:
        return agent_tool(name, description="helps")
