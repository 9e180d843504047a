"""What stands between a crew and its models and tools, for one run."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import inspect
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Self

from crewai.llms.base_llm import BaseLLM
from crewai.tasks.llm_guardrail import LLMGuardrail
from crewai.tools import BaseTool
from crewai.tools.base_tool import Tool
from crewai.utilities.llm_utils import create_llm
from pydantic import BaseModel

from civitas.frameworks import idempotency_key

if TYPE_CHECKING:
    from crewai import Crew

    from civitas_crewai._calls import Calls
    from civitas_crewai._stream import Voice

__all__ = ["Taps"]

_GONE: Any = object()

# Inside a model's call: what the model's class calls of itself is the same call.
_calling: ContextVar[bool] = ContextVar("civitas_crewai_calling", default=False)


class Taps:
    """Puts copies in place of a crew's models and tools inside its `with` block; the objects themselves never change.

    Args:
        crew: Of this run alone.
        calls: Makes the calls.
        voice: Tells of them; None where nobody listens.
        keyed: Whether the models' providers are sent the idempotency key of each call.
    """

    def __init__(self, crew: Crew, calls: Calls, voice: Voice | None, *, keyed: bool) -> None:
        self._crew = crew
        self._calls = calls
        self._voice = voice
        self._keyed = keyed
        self._undo: list[tuple[MutableMapping[str, Any], str, Any]] = []
        self._copies: dict[tuple[int, str], Any] = {}
        self._originals: list[
            Any
        ] = []  # kept, so that none of the identities above is given to another

    def __enter__(self) -> Self:
        crew = self._crew
        for agent in self._agents():
            self._models(agent, "llm")
            self._models(agent, "function_calling_llm", tells=False)
            if (planning := getattr(agent, "planning_config", None)) is not None:
                self._models(planning, "llm", tells=False)
            self._tools(agent)
        self._models(crew, "manager_llm")
        self._models(crew, "function_calling_llm", tells=False)
        if crew.planning:
            self._models(crew, "planning_llm", tells=False)
            self._swap(crew.__dict__, "_handle_crew_planning", _off(crew._handle_crew_planning))
        for task in crew.tasks:
            for guardrail in (task._guardrail, *task._guardrails):
                if isinstance(guardrail, LLMGuardrail):
                    self._swap(vars(guardrail), "llm", self._model(guardrail.llm, tells=False))
        # A crew that streams does so to the reader of the message's stream, if there is one.
        self._swap(crew.__dict__, "stream", False)
        # CrewAI writes the outputs of the last run into a database in the user's folder, for a command of its own.
        private = crew.__pydantic_private__
        if private is not None:
            self._swap(private, "_task_output_handler", _NoLog())
        return self

    def __exit__(self, *exc: object) -> None:
        for where, name, before in reversed(self._undo):
            if before is _GONE:
                where.pop(name, None)
            else:
                where[name] = before

    def _agents(self) -> list[Any]:
        crew = self._crew
        named = [*crew.agents, *(task.agent for task in crew.tasks), crew.manager_agent]
        return list({id(agent): agent for agent in named if agent is not None}.values())

    def _swap(self, where: MutableMapping[str, Any], name: str, value: Any) -> None:
        self._undo.append((where, name, where.get(name, _GONE)))
        where[name] = value

    # Models.

    def _models(self, owner: BaseModel, field: str, *, tells: bool = True) -> None:
        given = owner.__dict__.get(field)
        if given is not None:
            self._swap(owner.__dict__, field, self._model(create_llm(given), tells=tells))

    def _model(self, given: Any, *, tells: bool = True) -> Any:
        if not isinstance(given, BaseLLM):
            return given
        place = id(given), "model" if tells else "silent model"
        if place in self._copies:
            return self._copies[place]
        self._originals.append(given)
        self._copies[place] = model = copy.copy(given)
        if self._voice is not None and tells:
            model.stream = True
        model.__dict__["call"] = self._tapped(model, tells)
        model.__dict__["acall"] = self._tapped_async(model, model.__dict__["call"])
        return model

    def _tapped(self, model: BaseLLM, tells: bool) -> Callable[..., Any]:
        calls, voice = self._calls, self._voice if tells else None
        signature = inspect.signature(type(model).call)

        def call(*args: Any, **keywords: Any) -> Any:
            if _calling.get():
                return type(model).call(model, *args, **keywords)
            asked = signature.bind(model, *args, **keywords).arguments
            key = calls.key("model", _question(model, asked))

            def make() -> Any:
                token = _calling.set(True)
                try:
                    return type(model).call(self._with_key(model), *args, **keywords)
                finally:
                    _calling.reset(token)

            if voice is None or calls.answered(key):
                return calls.make(key, make)
            with voice.speaking(key):
                result = calls.make(key, make)
            voice.said(key, result)
            return result

        return call

    def _tapped_async(self, model: BaseLLM, call: Callable[..., Any]) -> Callable[..., Any]:
        async def acall(*args: Any, **keywords: Any) -> Any:
            if _calling.get():
                return await type(model).acall(model, *args, **keywords)
            return await asyncio.to_thread(call, *args, **keywords)

        return acall

    def _with_key(self, model: BaseLLM) -> BaseLLM:
        """The model for one call, by which its provider recognizes the call when it is made again."""
        if not self._keyed or not _takes_headers(model):
            return model
        once = copy.copy(model)
        given = model.additional_params
        headers = {**given.get("extra_headers", {}), "Idempotency-Key": idempotency_key()}
        once.additional_params = {**given, "extra_headers": headers}
        # CrewAI keeps what holds for the length of a call by the identity of the model.
        once.stop = list(model.stop_sequences)
        once.stream = model._effective_stream()
        return once

    # Tools.

    def _tools(self, agent: Any) -> None:
        """Every tool that an agent gets comes by here: its own, the task's, and those that CrewAI adds."""
        create = getattr(agent, "create_agent_executor", None)
        if create is None:
            return

        def create_agent_executor(tools: Any = None, task: Any = None) -> Any:
            if task is not None:
                self._calls.tries(agent, agent._times_executed)
            given = tools if tools is not None else agent.tools or []
            return create(tools=[self._tool(tool) for tool in given], task=task)

        self._swap(agent.__dict__, "create_agent_executor", create_agent_executor)

    def _tool(self, given: Any) -> Any:
        if not isinstance(given, BaseTool):
            return given
        if (id(given), "tool") in self._copies:
            return self._copies[id(given), "tool"]
        self._originals.append(given)
        tool = copy.copy(given)
        # Its copy stands for it, and for the copy itself.
        self._copies[id(given), "tool"] = self._copies[id(tool), "tool"] = tool
        # One that was made of a function calls that in more than one place.
        place = "func" if isinstance(tool, Tool) else "_run"
        run = getattr(tool, place)
        calls, voice = self._calls, self._voice

        def tapped(*args: Any, **keywords: Any) -> Any:
            arguments: Any = keywords if not args else {"arguments": list(args), **keywords}
            key = calls.key("tool", [tool.name, arguments])

            def make() -> Any:
                result = run(*args, **keywords)
                return asyncio.run(result) if inspect.iscoroutine(result) else result

            if voice is None or calls.answered(key):
                return calls.make(key, make, failures=True)
            voice.called(key, tool.name, arguments)
            result = calls.make(key, make, failures=True)
            voice.returned(key, tool.name, arguments, result)
            return result

        tool.__dict__[place] = tapped
        return tool


def _question(model: BaseLLM, asked: dict[str, Any]) -> Any:
    messages = asked.get("messages")
    if isinstance(messages, list):
        messages = [_without_ids(each) if isinstance(each, dict) else each for each in messages]
    tools = [
        each.get("function", {}).get("name", "") if isinstance(each, dict) else str(each)
        for each in asked.get("tools") or ()
    ]
    return [model.model, messages, tools, asked.get("response_model")]


def _without_ids(message: dict[str, Any]) -> dict[str, Any]:
    # Some models have no ids for their tool calls, and CrewAI makes some up.
    told = {
        key: value
        for key, value in message.items()
        if key not in ("tool_call_id", "raw_tool_call_parts", "tool_calls")
    }
    if calls := message.get("tool_calls"):
        told["tool_calls"] = [
            each.get("function") if isinstance(each, dict) else str(each) for each in calls
        ]
    return told


def _takes_headers(model: BaseLLM) -> bool:
    if model.is_litellm:
        return True
    return any(kind.__name__ == "OpenAICompletion" for kind in type(model).__mro__)


def _off(blocking: Callable[[], None]) -> Callable[[], None]:
    """What runs an agent without awaiting it, where that is possible: off the event loop."""

    def call() -> None:
        with ThreadPoolExecutor(1, "civitas-crew-planner") as pool:
            pool.submit(contextvars.copy_context().run, blocking).result()

    return call


class _NoLog:
    def reset(self) -> None:
        pass

    def update(self, task_index: int, log: Any) -> None:
        pass
