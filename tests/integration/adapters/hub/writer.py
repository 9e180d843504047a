"""A crew that writes a text."""

from __future__ import annotations

from crewai import LLM, Agent, Crew, Task


def make_crew() -> Crew:
    author = Agent(
        role="Author",
        goal="Write",
        backstory="You write.",
        llm=LLM(model="m1", provider="openai", max_retries=0),
        max_retry_limit=0,
    )
    draft = Task(
        name="draft", description="Write about {topic}", expected_output="Text", agent=author
    )
    return Crew(agents=[author], tasks=[draft])
