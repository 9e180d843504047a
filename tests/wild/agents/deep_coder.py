"""A deep agent that asks before it edits a file."""

from deepagents import create_deep_agent

graph = create_deep_agent(
    model="openai:gpt-4o-mini",
    system_prompt="You mend programs.",
    interrupt_on={"edit_file": True, "write_file": True},
)
