"""OpenAI Agents SDK agents as supervised Civitas agents.

The SDK is imported when something here is first used, not when this package is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_openai._tools import agent_tool, handoff_to, runtime_tools
    from civitas_openai.agent import OpenAIAgent
    from civitas_openai.provider import OpenAIModel

__all__ = ["OpenAIAgent", "OpenAIModel", "agent_tool", "handoff_to", "runtime_tools"]

_MODULES = {
    "OpenAIAgent": "agent",
    "OpenAIModel": "provider",
    "agent_tool": "_tools",
    "handoff_to": "_tools",
    "runtime_tools": "_tools",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"civitas_openai.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
