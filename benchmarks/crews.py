"""What the CrewAI adapter adds to one run of a crew. CrewAI has an environment of its own."""

from __future__ import annotations

import warnings
from typing import Any

import civitas_crewai  # before CrewAI, which would phone home

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its import is full of them
    from crewai import Agent, BaseLLM, Crew, Task

from benchmarks.adapters import adds

__all__ = ["CREW", "CREW_CONVERSATION"]


class _Scripted(BaseLLM):
    def call(self, *args: Any, **kwargs: Any) -> str:
        return "Thought: I know it\nFinal Answer: forty-two"


def _crew() -> Crew:
    counter = Agent(
        role="Counter",
        goal="Count",
        backstory="You count.",
        llm=_Scripted(model="scripted"),
        max_retry_limit=0,
    )
    count = Task(name="count", description="Count {what}", expected_output="Text", agent=counter)
    return Crew(agents=[counter], tasks=[count])


async def _bare() -> None:
    await _crew().akickoff(inputs=_INPUTS)


_INPUTS = {"what": "otters"}

CREW = adds(
    "added to a CrewAI run of 1 task",
    _INPUTS,
    _bare,
    civitas_crewai.CrewAIAgent("a", crew=_crew),
    batches=10,
    runs=2,
)
CREW_CONVERSATION = adds(
    "the same in a conversation",
    _INPUTS,
    _bare,
    civitas_crewai.CrewAIAgent("a", crew=_crew),
    conversations=True,
    batches=10,
    runs=2,
)
