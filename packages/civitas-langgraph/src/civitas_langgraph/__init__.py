"""Compiled LangGraph graphs as supervised Civitas agents.

LangGraph is imported when `LangGraphAgent` is first used, not when this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas_langgraph.agent import LangGraphAgent

__all__ = ["LangGraphAgent"]


def __getattr__(name: str) -> Any:
    if name == "LangGraphAgent":
        from civitas_langgraph.agent import LangGraphAgent

        return LangGraphAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
