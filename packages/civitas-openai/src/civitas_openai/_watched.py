"""The agents of a run: copies of the user's, whose models and tools are watched."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from agents import FunctionTool, Handoff, RunConfig, RunState
from agents.models.interface import Model
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from civitas.telemetry import names
from civitas_openai._models import WatchedModel, WatchedProvider
from civitas_openai._native_tools import watch_native
from civitas_openai._once import Scope, handled, scope
from civitas_openai._tool_calls import WITHHELD

if TYPE_CHECKING:
    from civitas.frameworks import Run
    from civitas_openai._servers import Servers

__all__ = ["WatchedAgents"]

_entering: ContextVar[tuple[WatchedAgents, Scope] | None] = ContextVar(
    "civitas_entering", default=None
)
"""In the call of a tool that is an agent: what the run that this begins belongs to."""


class WatchedAgents:
    """The copies for one run: of each agent one, so that agents that hand over to each other in circles still do.

    Args:
        run: The run.
        servers: The MCP servers of the agents.
    """

    def __init__(self, run: Run, servers: Servers) -> None:
        self.run = run
        self._servers = servers
        self._copies: dict[int, tuple[Any, Any]] = {}
        if not isinstance(get_default_agent_runner(), _Runner):
            set_default_agent_runner(_Runner(get_default_agent_runner()))

    def agent(self, agent: Any) -> Any:
        """The copy of `agent`."""
        if id(agent) in self._copies:
            return self._copies[id(agent)][1]
        copied = copy.copy(agent)
        self._copies[id(agent)] = (agent, copied)
        self._copies[id(copied)] = (copied, copied)
        if isinstance(agent.model, Model):
            copied.model = _watched(agent.model)
        copied.tools = [
            self._tool(each) if isinstance(each, FunctionTool) else watch_native(each)
            for each in agent.tools
        ]
        if agent.mcp_servers:
            copied.mcp_servers = [
                self._servers.watched(each, self.run) for each in agent.mcp_servers
            ]
            copied.get_mcp_tools = self._tools_of_servers(copied.get_mcp_tools)
        copied.handoffs = [
            self._handoff(each) if isinstance(each, Handoff) else self.agent(each)
            for each in agent.handoffs
        ]
        return copied

    def config(self, given: RunConfig | None) -> RunConfig:
        """A copy of `given` whose models are watched."""
        config = copy.copy(given) if given is not None else RunConfig()
        if not isinstance(config.model_provider, WatchedProvider):
            config.model_provider = WatchedProvider(config.model_provider)
        if isinstance(config.model, Model):
            config.model = _watched(config.model)
        return config

    def _tools_of_servers(self, find: Callable[[Any], Awaitable[list[Any]]]) -> Any:
        async def watched(context: Any) -> list[Any]:
            found = await find(context)
            return [self._tool(each) if isinstance(each, FunctionTool) else each for each in found]

        return watched

    def _tool(self, tool: FunctionTool) -> FunctionTool:
        # As the SDK's own copy, but for its look at the schema again, which takes as long as the rest of all this.
        copied = object.__new__(type(tool))
        copied.__dict__.update(tool.__dict__)
        invoker = _noting(tool.on_invoke_tool)
        kind: Any = type(invoker)
        agent = getattr(tool, "_agent_instance", None)
        if agent is not None:
            copied._agent_instance = self.agent(agent)
        guarded = bool(tool.tool_output_guardrails)
        copied.on_invoke_tool = _kind(kind)(self, invoker, agent is not None, guarded)
        return copied

    def _handoff(self, handoff: Handoff[Any, Any]) -> Handoff[Any, Any]:
        copied = copy.copy(handoff)

        async def invoke(context: Any, arguments: str) -> Any:
            return self.agent(await handoff.on_invoke_handoff(context, arguments))

        copied.on_invoke_handoff = invoke
        target = handoff._agent_ref and handoff._agent_ref()
        if target is not None:
            copied._agent_ref = weakref.ref(self.agent(target))
        return copied


class _Invoker:
    """Invokes a tool once; or, where the tool is an agent, what that does."""

    def __init__(self, watched: WatchedAgents, invoker: Any, is_agent: bool, guarded: bool) -> None:
        self.__dict__.update(getattr(invoker, "__dict__", {}))
        self._civitas = watched, invoker, is_agent, guarded

    async def __call__(self, context: Any, arguments: str) -> Any:
        watched, invoker, is_agent, guarded = self._civitas
        inside = scope.get()
        if inside is None:
            return await invoker(context, arguments)
        id = context.tool_call_id
        if inside.run.spans is not None:
            inside.run.spans.describe({names.TOOL_CALL_ID: id})
        key = inside.call(id)
        if not is_agent:
            return await inside.perform(
                id,
                key,
                lambda: invoker(context, arguments),
                guarded=guarded,
                asks=getattr(invoker, "civitas_asks", ""),
            )
        told: list[str] = []
        entering = _entering.set((watched, inside.inside(key)))
        token, telling = scope.set(None), handled.set(told)
        try:
            with inside.calls.making(id):
                result = await invoker(context, arguments)
        finally:
            inside.note(id, told)
            handled.reset(telling)
            scope.reset(token)
            _entering.reset(entering)
        inside.calls.made[id] = WITHHELD if guarded else result
        return result

    def __agents_bind_function_tool__(self, tool: FunctionTool) -> _Invoker:
        """The SDK binds an invoker to the copy of a tool; this one is bound to what it wraps."""
        return self


def _noting(invoker: Any) -> Any:
    """The SDK's invoker, which makes a result of a failure, so that this is noted."""
    tell = getattr(invoker, "_on_handled_error", None)
    if tell is None:
        return invoker

    def note(tool: Any, error: Exception, *more: Any) -> None:
        told = handled.get()
        if told is not None:
            told.append(f"{type(error).__name__}: {error}")
        tell(tool, error, *more)

    copied = copy.copy(invoker)
    copied._on_handled_error = note
    return copied


@cache
def _kind(invoker: type) -> Any:
    """What invokes in place of `invoker`. The SDK asks its own kind more than to invoke."""
    if hasattr(invoker, "prepare_arguments"):
        return type("_SdkInvoker", (_Invoker, invoker), {})
    return _Invoker


class _Runner(AgentRunner):
    """Runs agents as the SDK does; a run that a tool begins which is an agent is watched, too.

    Such a tool holds its agent where nothing else can replace it.
    """

    def __init__(self, runner: AgentRunner) -> None:
        super().__init__()
        self._runner = runner

    async def run(self, starting_agent: Any, input: Any, **options: Any) -> Any:
        entered = _entering.get()
        if entered is None:
            return await self._runner.run(starting_agent, input, **options)
        inside = _entering.set(None), scope.set(entered[1])
        try:
            return await self._runner.run(
                *_within(entered[0], starting_agent, input, options), **options
            )
        finally:
            _entering.reset(inside[0])
            scope.reset(inside[1])

    def run_sync(self, starting_agent: Any, input: Any, **options: Any) -> Any:
        return self._runner.run_sync(starting_agent, input, **options)

    def run_streamed(self, starting_agent: Any, input: Any, **options: Any) -> Any:
        entered = _entering.get()
        if entered is None:
            return self._runner.run_streamed(starting_agent, input, **options)
        inside = _entering.set(None), scope.set(entered[1])
        try:
            # The task that runs it takes the context along.
            return self._runner.run_streamed(
                *_within(entered[0], starting_agent, input, options), **options
            )
        finally:
            _entering.reset(inside[0])
            scope.reset(inside[1])


def _within(
    watched: WatchedAgents, agent: Any, input: Any, options: dict[str, Any]
) -> tuple[Any, Any]:
    options["run_config"] = watched.config(options.get("run_config"))
    if isinstance(input, RunState) and input._current_agent is not None:
        input._current_agent = watched.agent(input._current_agent)
    return watched.agent(agent), input


def _watched(model: Model) -> Model:
    return model if isinstance(model, WatchedModel) else WatchedModel(model)
