"""What the demo needs beside the core."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["missing", "version_of"]

_NEEDED = ("civitas-langgraph", "civitas-openai", "civitas-crewai", "langchain-openai")


def missing() -> list[str]:
    """The distributions that are not installed here."""
    return [name for name in _NEEDED if version_of(name) is None]


def version_of(distribution: str) -> str | None:
    """The installed version; None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
