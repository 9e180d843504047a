"""Job posting: research, a draft, and a review that a guardrail sends back."""

from crewai import Agent, Crew, Task
from pydantic import BaseModel


class Posting(BaseModel):
    title: str
    text: str


def no_jargon(output):
    if "synergy" in output.raw:
        return False, "Leave the jargon out."
    return True, output.raw


def make_crew() -> Crew:
    researcher = Agent(
        role="Research Analyst", goal="Know the company", backstory="You read.", llm="gpt-4o-mini"
    )
    writer = Agent(
        role="Job Description Writer",
        goal="Write postings",
        backstory="You write.",
        llm="gpt-4o-mini",
    )
    culture = Task(
        name="culture",
        description="Analyse {company_domain}.",
        expected_output="Its culture",
        agent=researcher,
    )
    draft = Task(
        name="draft",
        description="Write a posting for {hiring_needs}.",
        expected_output="A posting",
        agent=writer,
        guardrail=no_jargon,
    )
    final = Task(
        name="final",
        description="Format the posting.",
        expected_output="A posting",
        agent=writer,
        output_json=Posting,
    )
    return Crew(agents=[researcher, writer], tasks=[culture, draft, final])
