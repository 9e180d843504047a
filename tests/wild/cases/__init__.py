"""Every agent of the table."""

from __future__ import annotations

from tests.wild.cases.crewai import CREWS
from tests.wild.cases.langgraph import WRITTEN_ANEW
from tests.wild.cases.openai import AGENTS
from tests.wild.cases.packages import OF_PACKAGES

__all__ = ["CASES"]

CASES = [*OF_PACKAGES, *WRITTEN_ANEW, *AGENTS, *CREWS]
