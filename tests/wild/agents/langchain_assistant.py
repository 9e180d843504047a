"""A create_agent agent with the middlewares that most projects add."""

from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelCallLimitMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolRetryMiddleware,
)
from langchain_core.tools import tool


@tool
def find_trains(origin: str, destination: str) -> str:
    """Find trains between two cities."""
    return f"08:03 and 09:33 from {origin} to {destination}"


graph = create_agent(
    "openai:gpt-4o-mini",
    [find_trains],
    system_prompt="You plan journeys by train.",
    middleware=[
        TodoListMiddleware(),
        PIIMiddleware("email", strategy="redact"),
        SummarizationMiddleware("openai:gpt-4o-mini", trigger=("tokens", 100_000)),
        ModelCallLimitMiddleware(run_limit=10),
        ToolRetryMiddleware(max_retries=1),
    ],
)
