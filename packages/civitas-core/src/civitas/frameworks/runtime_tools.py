"""The tools of the runtime for a model, whatever the framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from civitas.errors import ConfigurationError
from civitas.process import AgentProcess, current_agent
from civitas.process.resources import is_tried_out
from civitas.tools import ToolProvider, UnknownTool

__all__ = ["RuntimeTool", "find_runtime_tools"]


class RuntimeTool:
    """What the `runtime_tools` of every adapter makes a tool of: it has a text for the model whatever happens.

    Args:
        tool: What stands in `self.tools` now. It is looked for there again at each call, as an MCP server may have been
            started again since.

    Attributes:
        name: What the model calls it by.
        description: For the model.
        schema: JSON Schema of the arguments.
        model: None, as there is no pydantic model of them.
    """

    model: type[Any] | None = None

    def __init__(self, tool: ToolProvider) -> None:
        self.name = tool.name
        self.description = tool.description or tool.name
        self.schema: dict[str, Any] = {"properties": {}, **tool.parameters}

    async def call(self, arguments: Mapping[str, Any]) -> str:
        """What the tool returns: a text as it is, anything else as JSON; if it fails, a text that says so."""
        tools = _caller(self.name).tools
        try:
            if tools is None:
                raise UnknownTool(self.name, ())
            result = await tools._untraced(self.name).call(**arguments)
        except Exception as error:
            return f"Error: {error}"
        return (
            result
            if isinstance(result, str)
            else json.dumps(result, ensure_ascii=False, default=str)
        )

    def call_from_thread(self, arguments: Mapping[str, Any]) -> str:
        """As `call`, for blocking code in a thread."""
        return _caller(self.name).run(self.call(arguments))


def find_runtime_tools(patterns: tuple[str, ...]) -> list[RuntimeTool]:
    """The tools of the runtime whose names match one of `patterns`; all for none.

    Raises:
        ConfigurationError: No agent is being started here.
        UnknownTool: A pattern matches none.
    """
    if current_agent.get(None) is None and is_tried_out.get():
        return []  # which there are is known when the system runs
    tools: Mapping[str, Any] = _caller("runtime_tools()").tools or {}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in tools):
            raise UnknownTool(pattern, tools)
    chosen = [
        name for name in tools if not patterns or any(fnmatchcase(name, each) for each in patterns)
    ]
    return [RuntimeTool(tools[name]) for name in chosen]


def _caller(what: str) -> AgentProcess:
    agent = current_agent.get(None)
    if agent is None:
        raise ConfigurationError(
            f"{what!r} is of a running system, and was used outside one; give `wrap` the function that builds "
            "the graph, agent or crew, and use it in there"
        )
    return agent
