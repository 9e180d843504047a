"""Pydantic AI agents as supervised Civitas agents.

Pydantic AI is imported when something here is first used, not when this package is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_pydantic_ai._tools import agent_tool, runtime_tools
    from civitas_pydantic_ai.agent import PydanticAIAgent

__all__ = ["PydanticAIAgent", "agent_tool", "runtime_tools"]

_MODULES = {
    "PydanticAIAgent": "agent",
    "agent_tool": "_tools",
    "runtime_tools": "_tools",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"civitas_pydantic_ai.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
