"""E-mail auto responder: filter, research, and a draft that a human reads first."""

from crewai import Agent, Crew, Task


def make_crew() -> Crew:
    sorter = Agent(
        role="Senior Email Analyst", goal="Filter mails", backstory="You sort.", llm="gpt-4o-mini"
    )
    writer = Agent(
        role="Email Response Writer",
        goal="Draft answers",
        backstory="You write.",
        llm="gpt-4o-mini",
    )
    sort = Task(
        name="sort",
        description="Filter {emails}.",
        expected_output="Those that matter",
        agent=sorter,
    )
    answer = Task(
        name="answer",
        description="Draft answers.",
        expected_output="A draft",
        agent=writer,
        human_input=True,
    )
    return Crew(agents=[sorter, writer], tasks=[sort, answer])
