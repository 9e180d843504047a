"""Each other agent of the system, and the tools of its runtime, as tools of Pydantic AI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic_ai import Tool

from civitas.frameworks import AgentCall, RuntimeTool, find_runtime_tools

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["agent_tool", "runtime_tools"]

ASKS = "civitas_asks"
"""The key in the metadata of a tool's definition under which the agent is that it asks, and nothing else."""


def agent_tool(
    name: str,
    *,
    description: str,
    parameters: type[BaseModel] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> Tool[Any]:
    """A tool that asks the agent `name`, wherever it runs and whatever its framework.

    Made in module code; it finds the running system when it is called. The model reads the reply's payload as JSON
    text; if the agent fails, a text that says so.

    Args:
        name: Name of the agent; the tool is called that too, with ``_`` for what no tool's name may hold.
        description: What it is for, for the model.
        parameters: What the model must give, a pydantic model's class or a JSON Schema; it becomes the payload. One
            text `input` by default.
        timeout: Seconds to wait for the answer; None: as long as the run that calls it may take.

    Raises:
        ConfigurationError: An argument does not fit; when called, that it was outside of an agent.
    """
    return _native(AgentCall(name, description=description, parameters=parameters, timeout=timeout))


def runtime_tools(*names: str) -> list[Tool[Any]]:
    """The tools of the runtime (`self.tools`, those of its MCP servers too) as tools of Pydantic AI.

    To be called by the function that builds the agent, which `wrap` calls when the agent starts. A tool that fails, or
    whose server is not there, gives the model a text that says so.

    Args:
        *names: Of the tools, or patterns such as ``files_*``; all of them for none.

    Raises:
        ConfigurationError: No agent is being started here.
        UnknownTool: A name matches none.
    """
    return [_native(each) for each in find_runtime_tools(names)]


def _native(call: AgentCall | RuntimeTool) -> Tool[Any]:
    async def ask(**arguments: Any) -> str:
        given: Any = arguments
        if call.model is not None:
            try:
                given = call.model.model_validate(arguments).model_dump()
            except ValueError as error:
                return f"Error: the arguments do not fit: {error}"
        return await call.call(given)

    name = re.sub(r"[^a-zA-Z0-9_-]", "_", call.name)
    tool: Tool[Any] = Tool.from_schema(ask, name, call.description, call.schema)
    if isinstance(call, AgentCall):
        tool.metadata = {ASKS: call.name}
    return tool
