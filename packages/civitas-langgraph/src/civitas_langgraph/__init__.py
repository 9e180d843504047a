"""Compiled LangGraph graphs as supervised Civitas agents.

LangGraph is imported when something here is first used, not when this package is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_langgraph._node import agent_node
    from civitas_langgraph._saver import StateStoreSaver
    from civitas_langgraph._store import GraphStore
    from civitas_langgraph._tools import agent_tool, runtime_tools
    from civitas_langgraph.agent import LangGraphAgent
    from civitas_langgraph.provider import ChatModel

__all__ = [
    "ChatModel",
    "GraphStore",
    "LangGraphAgent",
    "StateStoreSaver",
    "agent_node",
    "agent_tool",
    "runtime_tools",
]

_MODULES = {
    "ChatModel": "provider",
    "GraphStore": "_store",
    "LangGraphAgent": "agent",
    "StateStoreSaver": "_saver",
    "agent_node": "_node",
    "agent_tool": "_tools",
    "runtime_tools": "_tools",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"civitas_langgraph.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
