"""What Civitas finds by entry point: `wrap` for crews. Imports no CrewAI by itself."""

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
    """An agent for a `Crew`, or for an instance of a `@CrewBase` class.

    Raises:
        ConfigurationError: A flow, an agent or a task of CrewAI's; it says what to do instead.
    """
    if not comes_from(obj, "crewai", "Crew") and not getattr(type(obj), "is_crew_class", False):
        refuse_foreign(obj, f"wrap(..., name={name!r})")
        return None
    from civitas_crewai.agent import CrewAIAgent

    return CrewAIAgent(name, crew=obj, **options)
