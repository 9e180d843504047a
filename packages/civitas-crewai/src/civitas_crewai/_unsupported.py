"""The parts of CrewAI that an agent for crews cannot run, and what to do instead."""

from __future__ import annotations

from typing import Any

from civitas.errors import ConfigurationError

__all__ = ["refuse_foreign"]


def refuse_foreign(given: Any, place: str) -> None:
    """Raise a `ConfigurationError` for an agent or a task of CrewAI's, or for a flow where a crew is wanted.

    Args:
        given: Anything. CrewAI is not imported to look at it.
        place: Where it was given, for the error.
    """
    kinds = given.__mro__ if isinstance(given, type) else type(given).__mro__
    names = {kind.__name__ for kind in kinds if kind.__module__.split(".")[0] == "crewai"}
    name = kinds[0].__qualname__
    if "Flow" in names:
        raise ConfigurationError(
            f"{place}: {name} is a CrewAI Flow, not a crew. Use civitas.wrap({name}, name=...), or "
            f"FlowAgent(..., flow={name})"
        )
    if isinstance(given, type):
        return
    if names & {"BaseAgent", "LiteAgent", "Task"}:
        raise ConfigurationError(
            f"{place}: CrewAI's {name} runs in a crew; wrap Crew(agents=[...], tasks=[...]), "
            "or a function that builds one"
        )
