"""What Civitas finds by entry point: `wrap` for SDK agents. Imports no SDK by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.plugins import hookimpl

if TYPE_CHECKING:
    from civitas.process import AgentProcess

__all__ = ["civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for an SDK `Agent`."""
    if not comes_from(obj, "agents.agent", "Agent"):
        return None
    from civitas_openai.agent import OpenAIAgent

    return OpenAIAgent(name, agent=obj, **options)
