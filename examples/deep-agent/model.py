"""What the scripted model says, which stands for a real one."""

from typing import Any

from civitas.testing import ToolCall

LEARNT = "The user does not eat fish."


def say(body: dict[str, Any]) -> str | ToolCall:
    before, last = str(body["messages"][:-1]), body["messages"][-1]
    if last["role"] == "tool":
        return "I will remember that."
    if "do not eat" in last["content"]:
        return ToolCall("write_file", {"file_path": "/memories/notes.md", "content": LEARNT})
    return "Mushroom risotto." if LEARNT in before else "Fried cod."
