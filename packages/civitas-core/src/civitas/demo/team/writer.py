"""A CrewAI crew that writes an answer and edits it. It knows nothing of Civitas."""

import os

from crewai import LLM, Agent, Crew, Task


def make_crew() -> Crew:
    llm = LLM(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), provider="openai")
    author = Agent(
        role="Author",
        goal="Explain things so that one reading is enough",
        backstory="You write for engineers, in plain words and short sentences.",
        llm=llm,
    )
    editor = Agent(
        role="Editor",
        goal="Leave nothing in a text that it does not need",
        backstory="You cut.",
        llm=llm,
    )
    draft = Task(
        name="draft",
        description="Write one paragraph that answers: {task}\n\nNotes:\n{notes}",
        expected_output="One paragraph",
        agent=author,
    )
    edit = Task(
        name="edit",
        description="Edit the paragraph. Keep every fact.",
        expected_output="The paragraph, shorter",
        agent=editor,
        context=[draft],
    )
    return Crew(agents=[author, editor], tasks=[draft, edit])
