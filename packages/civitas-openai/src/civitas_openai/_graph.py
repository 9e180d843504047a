"""The agents of a run: copies of the user's, whose models and tools are watched."""

from __future__ import annotations

import copy
import weakref
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from agents import FunctionTool, Handoff, RunConfig, RunState
from agents.models.interface import Model
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from civitas_openai._model import Scope, WatchedModel, WatchedProvider, scope
from civitas_openai._results import dump_result, load_result

if TYPE_CHECKING:
    from civitas.frameworks import Run

__all__ = ["Graph"]

_entering: ContextVar[tuple[Graph, Scope] | None] = ContextVar("civitas_entering", default=None)
"""In the call of a tool that is an agent: what the run that this begins belongs to."""


class Graph:
    """The copies for one run: of each agent one, so that agents that hand over to each other in circles still do.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
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
            self._tool(each) if isinstance(each, FunctionTool) else each for each in agent.tools
        ]
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

    def _tool(self, tool: FunctionTool) -> FunctionTool:
        # As the SDK's own copy, but for its look at the schema again, which takes as long as the rest of all this.
        copied = object.__new__(type(tool))
        copied.__dict__.update(tool.__dict__)
        invoker = tool.on_invoke_tool
        kind: Any = type(invoker)
        agent = getattr(tool, "_agent_instance", None)
        if agent is not None:
            copied._agent_instance = self.agent(agent)
        copied.on_invoke_tool = _kind(kind)(self, invoker, agent is not None)
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

    def __init__(self, graph: Graph, invoker: Any, is_agent: bool) -> None:
        self.__dict__.update(getattr(invoker, "__dict__", {}))
        self._civitas = graph, invoker, is_agent

    async def __call__(self, context: Any, arguments: str) -> Any:
        graph, invoker, is_agent = self._civitas
        inside = scope.get()
        if inside is None:
            return await invoker(context, arguments)
        key = inside.call(context.tool_call_id)
        token = scope.set(None)
        try:
            if not is_agent:
                return await self._once(key, context, arguments)
            entering = _entering.set((graph, Scope(graph.run, f"{key}/")))
            try:
                return await invoker(context, arguments)
            finally:
                _entering.reset(entering)
        finally:
            scope.reset(token)

    async def _once(self, key: str, context: Any, arguments: str) -> Any:
        graph, invoker, _ = self._civitas
        run = graph.run
        live: list[Any] = []

        async def call() -> Any:
            live.append(await invoker(context, arguments))
            return dump_result(live[0]) if run.durable else None

        recorded = await run.once(f"tool {key}", call)
        return live[0] if live else load_result(recorded)

    def __agents_bind_function_tool__(self, tool: FunctionTool) -> _Invoker:
        """The SDK binds an invoker to the copy of a tool; this one is bound to what it wraps."""
        return self


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


def _within(graph: Graph, agent: Any, input: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    options["run_config"] = graph.config(options.get("run_config"))
    if isinstance(input, RunState) and input._current_agent is not None:
        input._current_agent = graph.agent(input._current_agent)
    return graph.agent(agent), input


def _watched(model: Model) -> Model:
    return model if isinstance(model, WatchedModel) else WatchedModel(model)
