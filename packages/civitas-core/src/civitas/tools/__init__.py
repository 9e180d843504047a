"""Tools: what a model, or an agent itself, may call."""

from __future__ import annotations

from civitas.tools.function import FunctionTool, tool
from civitas.tools.registry import ToolProvider, ToolRegistry, UnknownTool

__all__ = ["FunctionTool", "ToolProvider", "ToolRegistry", "UnknownTool", "tool"]
