"""What Civitas finds by entry point: `wrap` for crews and flows. Imports no CrewAI by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.plugins import hookimpl
from civitas_crewai._unsupported import refuse_foreign

if TYPE_CHECKING:
    from civitas.process import AgentProcess

__all__ = ["civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for a `Crew`, an instance of a `@CrewBase` class, or a `Flow`.

    Raises:
        ConfigurationError: An agent or a task of CrewAI's; it says what to do instead.
    """
    if isinstance(obj, type):
        return None  # to be called, if it is one of crews or of flows
    if comes_from(obj, "crewai", "Flow"):
        from civitas_crewai.flow_agent import FlowAgent

        return FlowAgent(name, flow=obj, **options)
    if not comes_from(obj, "crewai", "Crew") and not getattr(type(obj), "is_crew_class", False):
        refuse_foreign(obj, f"wrap(..., name={name!r})")
        return None
    from civitas_crewai.agent import CrewAIAgent

    return CrewAIAgent(name, crew=obj, **options)
