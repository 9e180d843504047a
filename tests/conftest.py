"""Fixtures and rules for every test; the rules themselves live in `tests/guards.py`."""

from __future__ import annotations

import signal
from importlib.util import find_spec

pytest_plugins = ["tests.guards", "tests.deep", "pytester"]

# Tests of an adapter are collected where its framework is installed: environment A has no CrewAI.
NEEDS = {
    "langgraph": ["langgraph"],
    "openai": ["agents"],
    "crewai": ["crewai"],
    "pydantic_ai": ["pydantic_ai"],
}
collect_ignore = [
    folder for folder, modules in NEEDS.items() if not all(find_spec(module) for module in modules)
]

# A shell that starts a run in the background has it ignore SIGINT, and so would every process that a test sends one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
