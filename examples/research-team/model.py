"""What the scripted model says, which stands for a real one."""

from typing import Any


def say(body: dict[str, Any]) -> str:
    lines: list[str] = body["messages"][-1]["content"].splitlines()
    if any("Name them" in line for line in lines):
        return "\n".join(line for line in lines if line.endswith(".txt") and line != "trains.txt")
    notes = lines[lines.index("One sentence for each of these notes:") + 1 :]
    return " ".join(note for note in notes if note)
