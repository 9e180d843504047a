"""A deep agent: plans, keeps files, and has a subagent."""

from deepagents import create_deep_agent


def internet_search(query: str) -> str:
    """Search the web."""
    return f"Results for {query!r}: otters hold hands while they sleep."


graph = create_deep_agent(
    model="openai:gpt-4o-mini",
    tools=[internet_search],
    system_prompt="You are an expert researcher. Write what you find to report.md.",
    subagents=[
        {
            "name": "researcher",
            "description": "Looks into one question.",
            "system_prompt": "You look into one question and answer it.",
            "tools": [internet_search],
        }
    ],
)
