"""What the scripted model says, which stands for a real one."""

from typing import Any


def say(body: dict[str, Any]) -> str:
    asked: str = body["messages"][-1]["content"]
    return f"We sold{asked.rpartition(':')[2]}."
