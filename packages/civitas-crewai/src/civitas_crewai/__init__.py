"""CrewAI crews and flows as supervised Civitas agents.

CrewAI is imported when one of its names is first used, not when this package is imported. Importing this package does
switch off CrewAI's own telemetry in this process and those it starts; see `civitas_crewai._side_effects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas_crewai._side_effects import before_import

if TYPE_CHECKING:
    from civitas_crewai._tools import agent_tool, runtime_tools
    from civitas_crewai.agent import CrewAIAgent
    from civitas_crewai.flow_agent import FlowAgent

__all__ = ["CrewAIAgent", "FlowAgent", "agent_tool", "runtime_tools"]

# Here and not later: most often it is the user's own module that imports CrewAI first.
before_import()


def __getattr__(name: str) -> Any:
    if name == "CrewAIAgent":
        from civitas_crewai.agent import CrewAIAgent

        return CrewAIAgent
    if name == "FlowAgent":
        from civitas_crewai.flow_agent import FlowAgent

        return FlowAgent
    if name in ("agent_tool", "runtime_tools"):
        from civitas_crewai import _tools

        return getattr(_tools, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
