"""What Civitas finds by entry point: `wrap` for compiled graphs. Imports no LangGraph by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.plugins import hookimpl

if TYPE_CHECKING:
    from civitas.process import AgentProcess

__all__ = ["civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for a compiled graph; a graph that is not compiled yet gets an error that says so."""
    if not comes_from(obj, "langgraph", "PregelProtocol", "StateGraph"):
        return None
    from civitas_langgraph.agent import LangGraphAgent

    return LangGraphAgent(name, graph=obj, **options)
