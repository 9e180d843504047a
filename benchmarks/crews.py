"""What the CrewAI adapter adds to one run of a crew. CrewAI has an environment of its own."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import civitas_crewai  # before CrewAI, which would phone home

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its import is full of them
    from crewai import Agent, BaseLLM, Crew, Task

from benchmarks.adapters import per_run
from benchmarks.harness import Benchmark, Measurement, in_loop, little_more
from civitas import Runtime, Supervisor

__all__ = ["CREW"]

_RUNS = 2


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


async def _kickoff() -> None:
    await _crew().akickoff(inputs={"what": "otters"})


def _asked(*, conversations: bool = False) -> Measurement:
    async def measure() -> float:
        numbers = itertools.count()
        agent = civitas_crewai.CrewAIAgent("crew", crew=_crew)
        async with Runtime(Supervisor("root", children=[agent])) as runtime:

            async def ask() -> None:
                conversation = f"c{next(numbers)}" if conversations else None
                await runtime.ask("crew", {"what": "otters"}, conversation=conversation)

            return await per_run(ask, _RUNS)()

    return in_loop(measure)


CREW = Benchmark(
    "a CrewAI run, 1 task",
    "µs",
    {
        "limit": in_loop(per_run(_kickoff, _RUNS)),
        "civitas": _asked(),
        "in a conversation": _asked(conversations=True),
    },
    little_more(0.05, 300, "µs"),
)
