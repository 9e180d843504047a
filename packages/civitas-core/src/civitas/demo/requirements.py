"""What the demo needs beside the core."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["CREW", "crew_python", "missing", "version_of"]

CREW = "CIVITAS_DEMO_CREW"
"""The environment variable that names the environment with CrewAI; without it, that is this one."""

_NEEDED_HERE = ("civitas-langgraph", "civitas-openai", "langchain-openai", "pyzmq")
_NEEDED_THERE = ("civitas-crewai", "pyzmq")


def crew_python() -> str:
    """The interpreter, or the folder of the virtual environment, that the crew runs in."""
    return os.environ.get(CREW) or sys.executable


def missing() -> list[str]:
    """The distributions that are not installed."""
    here = [name for name in _NEEDED_HERE if version_of(name) is None]
    return here + [
        name for name in _NEEDED_THERE if name not in here and version_of(name, there=True) is None
    ]


def version_of(distribution: str, *, there: bool = False) -> str | None:
    """The installed version; None if it is not installed.

    Args:
        distribution: Its name.
        there: Whether to look where the crew runs, and not here.
    """
    if there and os.environ.get(CREW):
        return _version_there(crew_python(), distribution)
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@cache
def _version_there(python: str, distribution: str) -> str | None:
    interpreter = Path(python) / "bin" / "python" if Path(python).is_dir() else Path(python)
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    try:
        done = subprocess.run(  # noqa: S603  (the user's own interpreter)
            [interpreter, "-c", code], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
