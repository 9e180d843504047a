"""MCP servers as supervised agents, and their tools as the tools of the runtime."""

from __future__ import annotations

from civitas.mcp.server import McpServer

__all__ = ["McpServer"]
