"""Landing page generator: expand an idea, choose a template, write components; callbacks look on."""

from crewai import Agent, Crew, Task
from crewai.tools import tool

STEPS: list[str] = []


@tool("list_templates")
def list_templates() -> list[str]:
    """List the templates."""
    return ["keynote", "commit"]


@tool("write_file")
def write_file(path: str, content: str) -> str:
    """Write a file."""
    return f"wrote {len(content)} letters to {path}"


def make_crew() -> Crew:
    strategist = Agent(
        role="Senior Idea Analyst", goal="Expand ideas", backstory="You think.", llm="gpt-4o-mini"
    )
    developer = Agent(
        role="Senior React Engineer",
        goal="Build pages",
        backstory="You code.",
        llm="gpt-4o-mini",
        tools=[list_templates, write_file],
        allow_delegation=True,
    )
    expand = Task(
        name="expand", description="Expand {idea}.", expected_output="A concept", agent=strategist
    )
    build = Task(
        name="build",
        description="Build the page.",
        expected_output="What was built",
        agent=developer,
    )
    return Crew(
        agents=[strategist, developer],
        tasks=[expand, build],
        task_callback=lambda output: STEPS.append(output.raw),
    )
