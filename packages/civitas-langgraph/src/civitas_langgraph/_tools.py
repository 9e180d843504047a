"""`agent_tool`: an agent of the system as a tool of LangChain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from langgraph.config import get_config

from civitas.frameworks import AgentCall, current_run

__all__ = ["agent_tool"]


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
    call = AgentCall(name, description=description, parameters=parameters, timeout=timeout)

    def ask_from_thread(**arguments: Any) -> str:
        with _span_of_the_call():
            return call.call_from_thread(arguments)

    async def ask(**arguments: Any) -> str:
        with _span_of_the_call():
            return await call.call(arguments)

    return StructuredTool.from_function(
        ask_from_thread,
        ask,
        name=name,
        description=description,
        args_schema=call.model or call.schema,
        infer_schema=False,
    )


def _span_of_the_call() -> AbstractContextManager[None]:
    """Inside, the span of the tool's call is the current one: what the agent does is part of it."""
    run = current_run.get()
    if run is None or run.spans is None:
        return nullcontext()
    return run.spans.within(getattr(get_config().get("callbacks"), "parent_run_id", None))
