"""What the reader of a stream is told, and `Watched`, the capability by which Pydantic AI lets itself be watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import NoOpTracer
from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.toolsets import WrapperToolset

from civitas_pydantic_ai._models import RecordedModel
from civitas_pydantic_ai._tools import ASKS

if TYPE_CHECKING:
    from pydantic_ai import AbstractToolset, AgentRunResult, RunContext
    from pydantic_ai.capabilities.abstract import WrapRunHandler
    from pydantic_ai.models import Model
    from pydantic_ai.toolsets import ToolsetTool

    from civitas_pydantic_ai._once import RunCalls

__all__ = ["Watched"]


@dataclass(eq=False)
class Watched(AbstractCapability[Any]):
    """Tells the reader of a run that it begins, and has its models and tools called through `calls`.

    Args:
        calls: Those of the run.
        name: Of the agent, as the reader is told it.
    """

    calls: RunCalls
    name: str

    def get_ordering(self) -> CapabilityOrdering:
        """Nearest to the models and tools: what the user's own capabilities do around these is done each time."""
        return CapabilityOrdering(position="innermost")

    async def wrap_run(
        self, ctx: RunContext[Any], *, handler: WrapRunHandler
    ) -> AgentRunResult[Any]:
        """The run begins."""
        run = self.calls.run
        self.calls.began = True
        if run.agent.framework_spans is None and not isinstance(ctx.tracer, NoOpTracer):
            run.spans = None  # Pydantic AI makes spans itself
        await run.step(self.name, "agent 1")
        return await handler()

    def get_wrapper_model(self, model: Model) -> Model:
        """The model, with its calls watched."""
        return RecordedModel(model, self.calls)

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """The tools, with their calls watched."""
        return _WatchedToolset(toolset, self.calls)


@dataclass
class _WatchedToolset(WrapperToolset[Any]):
    calls: RunCalls

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        id = ctx.tool_call_id
        if id is None:  # code of the user calls a tool that no model asked for
            return await self.wrapped.call_tool(name, tool_args, ctx, tool)
        return await self.calls.perform(
            id,
            name,
            tool_args,
            lambda: self.wrapped.call_tool(name, tool_args, ctx, tool),
            asks=(tool.tool_def.metadata or {}).get(ASKS, ""),
        )
