"""Agents of the system, and the tools of its runtime, as tools of a crew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from crewai.tools import BaseTool
from pydantic import PrivateAttr

from civitas.frameworks import AgentCall, RuntimeTool, find_runtime_tools
from civitas_crewai._side_effects import after_import

if TYPE_CHECKING:
    from civitas_crewai._own_loop import Bridge

__all__ = ["agent_asked_by", "agent_tool", "runtime_tools"]

after_import()

current_bridge: ContextVar[Bridge | None] = ContextVar("civitas_crewai_bridge", default=None)
"""That of the run that code belongs to."""


class _AgentTool(BaseTool):
    _asks: AgentCall | RuntimeTool = PrivateAttr()

    def _run(self, **arguments: Any) -> str:
        payload = self._payload(arguments)
        bridge = current_bridge.get()
        if bridge is None:
            return self._asks.call_from_thread(payload)
        # With the run ends what it asked.
        return bridge.wait(self._asks.call(payload))

    async def _arun(self, **arguments: Any) -> str:
        payload = self._payload(arguments)
        bridge = current_bridge.get()
        if bridge is None:
            return await self._asks.call(payload)
        return await asyncio.wrap_future(bridge.submit(self._asks.call(payload)))

    def _payload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._asks.model is not None:
            return arguments
        # CrewAI fills in None for what the model left out, which the schema may not allow.
        required = self._asks.schema.get("required", ())
        return {
            name: value
            for name, value in arguments.items()
            if value is not None or name in required
        }


def agent_asked_by(tool: BaseTool) -> str:
    """The agent of the system that a tool asks, and nothing else; empty for another tool."""
    return tool._asks.name if isinstance(tool, _AgentTool) else ""


def agent_tool(
    name: str,
    *,
    description: str,
    parameters: type[Any] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> BaseTool:
    """A tool by which the model of a crew asks an agent of the system; whatever runs that, and in which process.

    It is made in module code, and finds the system when it is called. The model gets the answer's payload as JSON text;
    if the agent fails, a text that says so.

    Args:
        name: Name of the agent; the tool is called that too.
        description: What the agent is for, for the model.
        parameters: What the model must give, a pydantic model's class or a JSON Schema; it becomes the payload. One
            text `input` by default.
        timeout: Seconds to wait for the answer; None: as long as the run may take.

    Raises:
        ConfigurationError: An argument does not fit; in a call: no agent's code runs here.
    """
    return _native(AgentCall(name, description=description, parameters=parameters, timeout=timeout))


def runtime_tools(*names: str) -> list[BaseTool]:
    """The tools of the runtime (`self.tools`, those of its MCP servers too) as tools of a crew.

    To be called by the function that builds the crew, which `wrap` calls when the agent starts. A tool that fails, or
    whose server is not there, gives the model a text that says so.

    Args:
        *names: Of the tools, or patterns such as ``files_*``; all of them for none.

    Raises:
        ConfigurationError: No agent is being started here.
        UnknownTool: A name matches none.
    """
    return [_native(each) for each in find_runtime_tools(names)]


def _native(asks: AgentCall | RuntimeTool) -> BaseTool:
    schema: Any = asks.model or asks.schema
    tool = _AgentTool(name=asks.name, description=asks.description, args_schema=schema)
    tool._asks = asks
    return tool
