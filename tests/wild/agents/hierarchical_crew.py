"""A hierarchical crew: a manager that CrewAI makes hands the work out."""

from crewai import LLM, Agent, Crew, Process, Task
from crewai.tools import tool


@tool("count_words")
def count_words(text: str) -> str:
    """Count words."""
    return str(len(text.split()))


def make_crew() -> Crew:
    researcher = Agent(
        role="Researcher",
        goal="Find out",
        backstory="You look.",
        llm="gpt-4o-mini",
        tools=[count_words],
    )
    writer = Agent(role="Writer", goal="Write", backstory="You write.", llm="gpt-4o-mini")
    report = Task(
        name="report", description="Write a report on {topic}.", expected_output="A report"
    )
    return Crew(
        agents=[researcher, writer],
        tasks=[report],
        process=Process.hierarchical,
        manager_llm=LLM(model="gpt-4o"),
    )
