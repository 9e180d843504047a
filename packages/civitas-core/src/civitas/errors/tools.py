"""What a tool can meet that is not part of this program."""

from __future__ import annotations

from civitas.errors.base import CivitasError

__all__ = ["ToolFailed"]


class ToolFailed(CivitasError):
    """A call of a tool of an MCP server failed, or the server is not there.

    The agent that called it lives on. A model that called it reads the text.

    Attributes:
        tool: Name of the tool.
        server: Name of the server.
    """

    def __init__(self, tool: str, server: str, why: str) -> None:
        self.tool = tool
        self.server = server
        super().__init__(f"the tool {tool!r} of the MCP server {server!r} failed: {why}")
