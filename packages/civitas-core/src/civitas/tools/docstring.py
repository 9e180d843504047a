"""Reads what a docstring says about a function and its arguments."""

from __future__ import annotations

import re

__all__ = ["read_docstring"]

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Returns|Yields|Raises|Example|Examples|Note|Notes):$"
)
_ARGUMENT = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring in Google's style.

    Args:
        text: The docstring, indentation removed.
    Returns:
        The text before the first section, and a description for each argument that has one.
    """
    description: list[str] = []
    arguments: dict[str, str] = {}
    section = None
    indent: int | None = None
    current = None
    for line in text.splitlines():
        if _SECTION.match(line):
            section, indent, current = line[:-1], None, None
        elif section is None:
            description.append(line)
        elif section in ("Args", "Arguments", "Parameters") and line.strip():
            depth = len(line) - len(line.lstrip())
            indent = depth if indent is None else indent
            match = _ARGUMENT.match(line.strip())
            if depth <= indent and match:
                current = match[1]
                arguments[current] = match[2]
            elif current is not None:
                arguments[current] = f"{arguments[current]} {line.strip()}".strip()
    return "\n".join(description).strip(), arguments
