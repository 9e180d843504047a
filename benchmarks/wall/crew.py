"""The same agent as a crew."""

from __future__ import annotations

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

from benchmarks.wall import task
from civitas.frameworks import idempotency_key

__all__ = ["make_crew"]

# Of those that CrewAI knows, one with a window for all of it; it would have the model sum up what does not fit.
_MODEL = "Llama-4-Scout-17B-16E-Instruct"


@tool("look")
def look(number: int) -> str:
    """Look up a number."""
    return task.look(number, idempotency_key())


def make_crew() -> Crew:
    """One task of one agent."""
    reader = Agent(
        role="Reader",
        goal="Look up every number",
        backstory="You read.",
        llm=LLM(model=_MODEL, provider="openai"),
        tools=[look],
        max_iter=10_000,
        max_retry_limit=0,
    )
    read = Task(name="read", description="{text}", expected_output="The end", agent=reader)
    return Crew(agents=[reader], tasks=[read])
