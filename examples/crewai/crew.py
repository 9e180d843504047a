"""Writes a product description. A plain CrewAI crew."""

import os

from crewai import LLM, Agent, Crew, Task


def make_crew() -> Crew:
    llm = LLM(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), provider="openai")
    writer = Agent(
        role="Copywriter",
        goal="Say what a product is for",
        backstory="You write for people in a hurry.",
        llm=llm,
        # CrewAI would try again by itself, two times; here whoever asks hears at once.
        max_retry_limit=0,
    )
    checker = Agent(
        role="Fact checker",
        goal="Let no claim stand that the facts do not carry",
        backstory="You check.",
        llm=llm,
        max_retry_limit=0,
    )
    draft = Task(
        name="draft",
        description="Describe {product} in two sentences. Facts: {facts}",
        expected_output="Two sentences",
        agent=writer,
    )
    check = Task(
        name="check",
        description="Correct the description by the facts: {facts}",
        expected_output="Two sentences",
        agent=checker,
        context=[draft],
    )
    return Crew(agents=[writer, checker], tasks=[draft, check])
