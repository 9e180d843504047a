"""A tool of an MCP server, as a tool of the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from civitas.errors import ToolFailed
from civitas.mcp.session import Described, Session, SessionLost

__all__ = ["McpTool"]


class McpTool:
    """Calls its server.

    Args:
        server: Name of the server.
        prefix: What stands before the name that the server gives it.
        described: As the server describes it.
        session: The way to the server.
        timeout: Seconds that a call may take; None: as long as whoever calls waits.
    """

    def __init__(
        self,
        server: str,
        prefix: str,
        described: Described,
        session: Session,
        timeout: float | None,
    ) -> None:
        self.name = prefix + described.name
        self.description = described.description
        self.parameters: Mapping[str, Any] = described.parameters
        self._server = server
        self._there = described.name
        self._session = session
        self._timeout = timeout

    async def call(self, **arguments: Any) -> Any:
        """Let the server do it; returns its structured result, or else its text, or else its content as plain data.

        Raises:
            ToolFailed: It says that it failed, does not answer in time, or has ended.
        """
        try:
            result = await self._session.call(self._there, arguments, self._timeout)
        except SessionLost as error:
            why = f"{error}; try once more, as its supervisor starts it again unless it was stopped"
            raise ToolFailed(self.name, self._server, why) from None
        except TimeoutError:
            why = f"it did not answer within {self._timeout:g} s"
            raise ToolFailed(self.name, self._server, why) from None
        except Exception as error:  # the server refused it, or broke the protocol
            raise ToolFailed(self.name, self._server, str(error) or type(error).__name__) from error
        content: Sequence[Mapping[str, Any]] = result.get("content", ())
        texts = [each["text"] for each in content if each["type"] == "text"]
        if result.get("isError"):
            raise ToolFailed(self.name, self._server, "\n".join(texts) or "it does not say why")
        structured = result.get("structuredContent")
        if structured is not None:
            return structured["result"] if structured.keys() == {"result"} else structured
        return "\n".join(texts) if len(texts) == len(content) else list(content)

    def __repr__(self) -> str:
        return f"<tool {self.name!r} of MCP server {self._server!r}>"
