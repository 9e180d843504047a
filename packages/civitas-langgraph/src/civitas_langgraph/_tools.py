"""Agents of the system, and the tools of its runtime, as tools of LangChain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from langgraph.config import get_config

from civitas.frameworks import AgentCall, RuntimeTool, current_run, find_runtime_tools

__all__ = ["agent_tool", "asked_by", "runtime_tools", "span_of_the_call"]

_ASKS = "civitas_asks"


def agent_tool(
    name: str,
    *,
    description: str,
    parameters: type[Any] | Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> BaseTool:
    """A tool that asks the agent `name`, wherever it runs and whatever its framework.

    Made in module code; it finds the running system when it is called, in worker threads too. The model reads the
    reply's payload as JSON text; if the agent fails, a text that says so.

    Args:
        name: Name of the agent; the tool is called that too.
        description: What it is for, for the model.
        parameters: What the model must give, a pydantic model's class or a JSON Schema; it becomes the payload. One
            text `input` by default.
        timeout: Seconds to wait for the answer; None: as long as the run that calls it may take.

    Raises:
        ConfigurationError: An argument does not fit; when called, that it was outside of an agent.
    """
    return _native(AgentCall(name, description=description, parameters=parameters, timeout=timeout))


def runtime_tools(*names: str) -> list[BaseTool]:
    """The tools of the runtime (`self.tools`, those of its MCP servers too) as tools of LangChain.

    To be called by the function that builds the graph, which `wrap` calls when the agent starts. A tool that fails, or
    whose server is not there, gives the model a text that says so.

    Args:
        *names: Of the tools, or patterns such as ``files_*``; all of them for none.

    Raises:
        ConfigurationError: No agent is being started here.
        UnknownTool: A name matches none.
    """
    return [_native(each) for each in find_runtime_tools(names)]


def _native(call: AgentCall | RuntimeTool) -> BaseTool:
    def ask_from_thread(**arguments: Any) -> str:
        with span_of_the_call():
            return call.call_from_thread(arguments)

    async def ask(**arguments: Any) -> str:
        with span_of_the_call():
            return await call.call(arguments)

    if isinstance(call, AgentCall):
        setattr(ask, _ASKS, call.name)
    return StructuredTool.from_function(
        ask_from_thread,
        ask,
        name=call.name,
        description=call.description,
        args_schema=call.model or call.schema,
        infer_schema=False,
    )


def asked_by(tool: BaseTool | None) -> str:
    """The agent that a tool asks and does nothing else; an empty text for any other."""
    return getattr(getattr(tool, "coroutine", None), _ASKS, "")


def span_of_the_call() -> AbstractContextManager[None]:
    """Inside, the span of the tool or node is the current one: what the agent does is part of it."""
    run = current_run.get()
    if run is None or run.spans is None:
        return nullcontext()
    return run.spans.within(getattr(get_config().get("callbacks"), "parent_run_id", None))
