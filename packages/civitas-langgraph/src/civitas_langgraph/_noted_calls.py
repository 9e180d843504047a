"""Calls that are noted and recorded one by one: those of a tool node, and the tasks of a functional workflow."""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.runnables.config import run_in_executor, var_child_runnable_config
from langgraph._internal._constants import CONFIG_KEY_CALL
from langgraph.config import get_config

from civitas.errors import PayloadError
from civitas.frameworks import current_run, plain
from civitas.process.ambiguous import CallNote
from civitas_langgraph._call_keys import key_of_step
from civitas_langgraph._payload import flat_message
from civitas_langgraph._tools import asked_by
from civitas_langgraph._unwritable import unwritable

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from civitas.frameworks.call_notes import CallNotes

__all__ = ["NotedCalls", "NotedTasks", "NotedTools", "told_of_call"]

_TOLD, _KEPT = "told", "kept"


class NotedCalls:
    """Notes that calls begin, and records what they return: made again, they return that.

    Args:
        calls: The notes of the agent's calls.
        serde: What the graph's checkpoints are written with.
    """

    def __init__(self, calls: CallNotes, serde: SerializerProtocol) -> None:
        self._calls = calls
        self._serde = serde

    async def once(self, note: CallNote, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` returns, now or in an earlier delivery; what a probe or a human told is `ToldResult`.

        Its key names the step of the graph and no message, as an answer that resumes the graph runs the step again.
        """
        run = current_run.get()
        if run is None or not run.durable or not self._calls.notes(note):
            return await work()
        done: list[Any] = []

        async def recorded() -> dict[str, Any]:
            done.append(await work())
            return {_KEPT: self._written(done[0], note)}

        found = await run.once(f"{note.kind} {note.idempotency_key}", recorded, note=note)
        if done:
            return done[0]
        return ToldResult(found[_TOLD]) if _TOLD in found else self._serde.loads_typed(found[_KEPT])

    def _written(self, value: Any, note: CallNote) -> list[Any]:
        try:
            return [*self._serde.dumps_typed(value)]
        except Exception as error:
            place = f"the result of the {note.kind} {note.name!r}"
            raise unwritable([(place, value)], self._serde.dumps_typed) or error from error


class ToldResult:
    """A result that a probe or a human told.

    Attributes:
        result: It.
    """

    def __init__(self, result: Any) -> None:
        self.result = result


def told_of_call(result: Any) -> dict[str, Any]:
    """What is recorded of a call of which a probe or a human told the result."""
    return {_TOLD: result}


class NotedTools:
    """A node of tools, each call of which is noted.

    Args:
        calls: Notes them.
        inner: The node.
    """

    def __init__(self, calls: NotedCalls, inner: Any) -> None:
        self._calls = calls
        self._inner = inner

    async def run(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, its calls noted."""
        node = copy.copy(self._inner)
        run_one = node._arun_one

        async def noted(call: Any, *rest: Any, **others: Any) -> Any:
            asks = asked_by(node.tools_by_name.get(call["name"]))
            note = CallNote("tool", call["name"], call["args"], asks, str(key_of_step()))
            made = await self._calls.once(note, functools.partial(run_one, call, *rest, **others))
            return _message(made.result, call) if isinstance(made, ToldResult) else made

        node._arun_one = noted  # which runs within what `key_tool_calls` adds
        return await node.ainvoke(input, config, **more)


def _message(result: Any, call: Mapping[str, Any]) -> ToolMessage:
    text = (
        result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    )
    return ToolMessage(text, tool_call_id=call["id"], name=call["name"])


class NotedTasks:
    """The function of a functional workflow, each task of which is noted; what it does between them is not.

    Args:
        calls: Notes them.
        inner: The function.
    """

    def __init__(self, calls: NotedCalls, inner: Any) -> None:
        self._calls = calls
        self._inner = inner

    async def run(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the function does, its tasks noted."""
        noting = self._noting(config or get_config())
        token = var_child_runnable_config.set(noting)
        try:
            return await self._inner.ainvoke(input, noting, **more)
        finally:
            var_child_runnable_config.reset(token)

    def _noting(self, config: RunnableConfig) -> RunnableConfig:
        """`config`, with which tasks that begin are noted."""
        begin = config["configurable"][CONFIG_KEY_CALL]

        def noted(function: Any, input: Any, **more: Any) -> Any:
            return begin(self._noted(function, *input), input, **more)

        return {**config, "configurable": {**config["configurable"], CONFIG_KEY_CALL: noted}}

    def _noted(self, function: Any, given: Any, named: Any) -> Any:
        """The function of a task, noted; LangGraph takes it for the same."""

        @functools.wraps(function)
        async def task(*args: Any, **more: Any) -> Any:
            config = get_config()

            async def work() -> Any:
                token = var_child_runnable_config.set(self._noting(config))  # for its own tasks
                try:
                    if inspect.iscoroutinefunction(function):
                        return await function(*args, **more)
                    result = await run_in_executor(None, function, *args, **more)
                    return await result if inspect.isawaitable(result) else result
                finally:
                    var_child_runnable_config.reset(token)

            arguments = _arguments(function, given, named)
            note = CallNote("task", task.__name__, arguments, idempotency_key=str(key_of_step()))
            made = await self._calls.once(note, work)
            return made.result if isinstance(made, ToldResult) else made

        if not hasattr(function, "__name__"):
            of = getattr(function, "func", None)
            task.__name__ = getattr(of, "__name__", type(function).__name__)
        return task


def _arguments(function: Any, given: Any, named: Any) -> Any:
    """What a task was called with, for a human."""
    arguments = inspect.signature(function).bind_partial(*given, **named).arguments
    try:
        return plain(dict(arguments), _flat)
    except PayloadError:
        return {name: str(value) for name, value in arguments.items()}


def _flat(value: Any) -> Any:
    return flat_message(value) if isinstance(value, BaseMessage) else value
