"""What the scripted model says, which stands for a real one."""

from typing import Any

from civitas.testing import ToolCall


def say(body: dict[str, Any]) -> str | ToolCall:
    *before, last = body["messages"]
    if last["role"] == "tool":
        return f"Read {last['content']}."
    if "again" in last["content"]:
        return f"Once more: {before[-1]['content']}"
    topic = "otters" if "otters" in last["content"] else "storms"
    return ToolCall("find_book", {"topic": topic})
