"""What Civitas finds by entry point: `wrap` for SDK agents, and a model provider. Imports no SDK by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.plugins import hookimpl

if TYPE_CHECKING:
    from civitas.process import AgentProcess

__all__ = ["civitas_model_providers", "civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for an SDK `Agent`."""
    if not comes_from(obj, "agents.agent", "Agent"):
        return None
    from civitas_openai.agent import OpenAIAgent

    return OpenAIAgent(name, agent=obj, **options)


@hookimpl
def civitas_model_providers() -> dict[str, Any]:
    """`model: {type: openai, base_url: ...}` in a topology."""
    from civitas_openai.provider import opened_model

    return {"openai": opened_model}
