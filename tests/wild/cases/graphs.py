"""What graphs have in common."""

from __future__ import annotations

from typing import Any

from tests.wild.case import Case

__all__ = ["graph"]

ASKS_NOBODY = {"interrupt": "asks nobody"}


def graph(name: str, source: str, *packages: str, **keywords: Any) -> Case:
    """A graph that is named `graph`, in the module of its own name."""
    keywords.setdefault("wrap", f"{name.replace('-', '_')}:graph")
    keywords.setdefault("recalls", keywords["says"])
    if not keywords.get("answers"):
        keywords["inapplicable"] = ASKS_NOBODY | keywords.get("inapplicable", {})
    own = ("langgraph", *packages)
    return Case(name=name, framework="LangGraph", source=source, packages=own, **keywords)
