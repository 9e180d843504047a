"""Every agent of the table."""

from __future__ import annotations

from tests.wild.cases.crewai import CREWS
from tests.wild.cases.langgraph import GRAPHS
from tests.wild.cases.openai import AGENTS

__all__ = ["CASES"]

CASES = [*GRAPHS, *AGENTS, *CREWS]
