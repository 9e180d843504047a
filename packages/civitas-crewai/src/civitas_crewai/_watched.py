"""`WatchedCrew`: what stands between a crew and its models and tools, for one run."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import inspect
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from crewai.hooks.dispatch import HookAborted
from crewai.tasks.llm_guardrail import LLMGuardrail
from crewai.tools import BaseTool
from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
from crewai.tools.base_tool import Tool
from crewai.utilities.llm_utils import create_llm
from crewai.utilities.string_utils import sanitize_tool_name

import civitas_crewai._litellm  # noqa: F401
from civitas.process.ambiguous import CallNote
from civitas_crewai._converters import converting
from civitas_crewai._crew_memory import read_once, write_once
from civitas_crewai._models import Models, silently
from civitas_crewai._once import scope
from civitas_crewai._tools import agent_asked_by

if TYPE_CHECKING:
    from crewai import Crew

    from civitas_crewai._once import MadeCalls
    from civitas_crewai._stream import Voice

__all__ = ["WatchedCrew"]

_GONE: Any = object()


class WatchedCrew:
    """Puts copies in place of a crew's models and tools inside its `with` block; the objects themselves never change.

    Args:
        crew: Of this run alone.
        calls: Makes the calls.
        voice: Reports them to the reader; None if there is none.
        keyed: Whether the models' providers are sent the idempotency key of each call.
    """

    def __init__(self, crew: Crew, calls: MadeCalls, voice: Voice | None, *, keyed: bool) -> None:
        self._crew = crew
        self._calls = calls
        self._voice = voice
        self._models = Models(calls, voice, keyed=keyed)
        self._undo: list[tuple[MutableMapping[str, Any], str, Any]] = []
        self._tapped: dict[int, Any] = {}  # kept, so that no identity is given to another
        self._tools: dict[int, tuple[BaseTool, BaseTool]] = {}

    def __enter__(self) -> Self:
        crew = self._crew
        for agent in (*crew.agents, *(task.agent for task in crew.tasks), crew.manager_agent):
            if agent is not None:
                self._agent(agent, tells=True)
        self._model(crew.__dict__, "function_calling_llm", tells=False)
        if crew.planning:
            self.swap(crew.__dict__, "_handle_crew_planning", _off(crew._handle_crew_planning))
        for task in crew.tasks:
            for guardrail in (task._guardrail, *task._guardrails):
                if isinstance(guardrail, LLMGuardrail):
                    self._model(vars(guardrail), "llm", tells=False)
            if task.converter_cls is not None:
                made = converting(task.converter_cls, self._models)
                self.swap(task.__dict__, "converter_cls", made)
        # A crew that streams does so to the reader of the message's stream, if there is one.
        self.swap(crew.__dict__, "stream", False)
        # CrewAI writes the outputs of the last run into a database in the user's folder, for a command of its own.
        private = crew.__pydantic_private__
        if private is not None:
            self.swap(private, "_task_output_handler", _NoLog())
        return self

    def __exit__(self, *exc: object) -> None:
        for where, name, before in reversed(self._undo):
            if before is _GONE:
                where.pop(name, None)
            else:
                where[name] = before

    def swap(self, where: MutableMapping[str, Any], name: str, value: Any) -> None:
        """Put `value` into `where` for as long as the block lasts."""
        self._undo.append((where, name, where.get(name, _GONE)))
        where[name] = value

    def begins(self, step: Any) -> None:
        """A hook of CrewAI's, before each task: the agents that it makes itself (manager, planner) pass through here.

        What agents of another crew do, in a tool, is the tool's.
        """
        agent = step.agent
        if agent is not None and agent.crew in (None, self._crew):
            self._agent(agent, tells=agent.crew is not None)

    def _agent(self, agent: Any, *, tells: bool) -> None:
        if id(agent) in self._tapped:
            return
        self._tapped[id(agent)] = agent
        own = agent.__dict__
        self._model(own, "llm", tells=tells)
        self._model(own, "function_calling_llm", tells=False)
        if (planning := own.get("planning_config")) is not None:
            # Of its own, as agents may share one: an agent plans silently, also with the model that it speaks with.
            planning = copy.copy(planning)
            planner = create_llm(planning.llm) if planning.llm is not None else own.get("llm")
            planning.__dict__["llm"] = self._models.tap(planner, tells=False)
            self.swap(own, "planning_config", planning)
        if (convert := getattr(agent, "get_output_converter", None)) is not None:
            self.swap(own, "get_output_converter", converting(convert, self._models))
        if (words := getattr(agent, "_get_knowledge_search_query", None)) is not None:
            self.swap(own, "_get_knowledge_search_query", silently(words))
        if self._calls.keeps and hasattr(agent, "_retrieve_memory_context"):
            self.swap(own, "_retrieve_memory_context", read_once(agent, self._calls))
        if (create := getattr(agent, "create_agent_executor", None)) is not None:
            self.swap(own, "create_agent_executor", self._executor(agent, create))

    def _model(self, where: MutableMapping[str, Any], name: str, *, tells: bool) -> None:
        given = where.get(name)
        if given is not None:
            self.swap(where, name, self._models.tap(create_llm(given), tells=tells))

    def _executor(self, agent: Any, create: Callable[..., Any]) -> Callable[..., Any]:
        """Every tool that an agent gets passes through here: its own, the task's, and those that CrewAI adds."""

        def create_agent_executor(tools: Any = None, task: Any = None) -> Any:
            if task is not None:
                self._calls.tries(agent, agent._times_executed)
            given = tools if tools is not None else agent.tools or []
            created = create(tools=[self._tool(tool) for tool in given], task=task)
            executor = getattr(agent, "agent_executor", None)
            if self._calls.keeps and hasattr(executor, "_save_to_memory"):
                own = executor.__dict__
                if "_save_to_memory" not in own:
                    self.swap(own, "_save_to_memory", write_once(executor, self._calls))
            return created

        return create_agent_executor

    def _tool(self, given: Any) -> Any:
        if not isinstance(given, BaseTool):
            return given
        if id(given) in self._tools:
            return self._tools[id(given)][1]
        tool = copy.copy(given)
        # Its copy stands for it, and for the copy itself.
        self._tools[id(given)] = self._tools[id(tool)] = given, tool
        # One that was made of a function calls that in more than one place.
        place = "func" if isinstance(tool, Tool) else "_run"
        run = getattr(tool, place)
        calls, voice = self._calls, self._voice
        name = sanitize_tool_name(tool.name)  # as the model has it
        asks, delegates = agent_asked_by(given), isinstance(given, BaseAgentTool)

        def tapped(*args: Any, **keywords: Any) -> Any:
            arguments: Any = keywords if not args else {"arguments": list(args), **keywords}
            # To delegate is nothing but the calls of the one who is delegated to.
            note = None if delegates else CallNote("tool", name, arguments, asks)
            key = calls.key("tool", [tool.name, arguments])

            def make() -> Any:
                calls.progress.calls(name)
                token = scope.set(None)  # what it does inside is its own
                try:
                    result = run(*args, **keywords)
                    return asyncio.run(result) if inspect.iscoroutine(result) else result
                finally:
                    scope.reset(token)
                    calls.progress.called(name)

            if voice is None or calls.answered(key):
                return calls.make(key, make, failures=True, note=note)
            voice.called(key, name, arguments)
            try:
                result = calls.make(key, make, failures=True, note=note)
            except HookAborted:  # it ends the run
                raise
            except Exception as error:
                voice.failed(key, name, arguments, error)
                raise
            voice.returned(key, name, arguments, result)
            return result

        tool.__dict__[place] = tapped
        return tool


def _off(blocking: Callable[[], None]) -> Callable[[], None]:
    """What runs an agent without awaiting it, if that is possible: off the event loop."""

    def call() -> None:
        with ThreadPoolExecutor(1, "civitas-crew-planner") as pool:
            pool.submit(contextvars.copy_context().run, blocking).result()

    return call


class _NoLog:
    def reset(self) -> None:
        pass

    def update(self, task_index: int, log: Any) -> None:
        pass
