"""The calls of models and tools that a run makes once: `RunCalls`, which makes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_ai import ModelMessagesTypeAdapter, ModelResponse, ModelRetry, TextPart, ToolReturn
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ToolFailed
from pydantic_ai.messages import ToolReturnPart, UserContent
from pydantic_core import PydanticSerializationError

from civitas.errors import PayloadError
from civitas.frameworks import plain
from civitas.process.ambiguous import CallNote
from civitas_pydantic_ai._memory import short, storable
from civitas_pydantic_ai._spans import calling_tool

if TYPE_CHECKING:
    from pydantic_ai import RequestUsage

    from civitas.frameworks import Run
    from civitas.frameworks.kept_context import KeptContext

__all__ = ["RunCalls", "as_answer", "dump_answer", "dump_result", "load_answer", "show"]

_TOLD = (ModelRetry, ToolFailed)
_BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")  # as in a conversation
_UNFINISHED: Final = "The run failed while this call was made. Whether it took effect is not known."


@dataclass(eq=False)
class RunCalls:
    """The calls of a run.

    Attributes:
        run: The run.
        ends: Whether its agent was asked to end.
        context: What its tools get as `deps`; None if nothing of that is kept.
        began: Whether Pydantic AI has begun with it.
        answers: How many calls of models were answered.
        made: The calls of tools that were begun, by their ids, each as what a model reads of it.
        failures: The calls that failed and were shown to the model: the name of the tool, and what is said of it.
    """

    run: Run
    ends: Callable[[], bool]
    context: KeptContext | None = None
    began: bool = False
    answers: int = 0
    made: dict[str, ToolReturnPart] = field(default_factory=dict)
    failures: list[tuple[str, str]] = field(default_factory=list)
    _times: Counter[str] = field(default_factory=Counter)
    _open: dict[str, tuple[str, Any]] = field(default_factory=dict)

    async def perform(
        self,
        id: str,
        name: str,
        arguments: Mapping[str, Any],
        function: Callable[[], Awaitable[Any]],
        *,
        asks: str = "",
    ) -> Any:
        """Make a call of a tool; in a durable run once, however often the message is delivered.

        Args:
            id: The model's id of the call.
            name: Of the tool.
            arguments: What it is called with.
            function: Makes it.
            asks: The agent that it asks, and nothing else.
        """
        run = self.run
        self._times[id] += 1
        again = f"~{self._times[id]}" if self._times[id] > 1 else ""
        part = f"tool {id}{again}"
        told = show(arguments)
        live: list[
            tuple[Any, ModelRetry | ToolFailed | None]
        ] = []  # its result, or what it tells the model

        async def make() -> Any:
            try:
                with calling_tool(run, id, name, told) as returned:
                    live.append((await function(), None))
                    returned.append(live[0][0])
            except _TOLD as error:
                live.append((None, error))
            if not run.durable:
                return None
            result, failure = live[0]
            recorded = self._dumped(name, result) if failure is None else _dump_failure(failure)
            if self.context is not None and (change := self.context.change()) is not None:
                recorded["context"] = change
            return recorded

        await run.tool(name, told, part=part)
        self._open[part] = name, told
        note = CallNote("tool", name, told, asks) if run.durable else None
        with self._making(id, name, part):
            recorded = await run.once(part, make, note=note)
            if not run.durable:
                self._check(name, live[0][0])
        if not live:
            live.append(_load(recorded))
            if self.context is not None:
                self.context.replay(recorded.get("context"))
        result, failure = live[0]
        if failure is not None:
            self.failures.append((name, failure.message))
            self.made[id] = ToolReturnPart(name, failure.message, id, outcome="failed")
            await self._ended(part, failure.message)
            raise failure
        value = result.return_value if isinstance(result, ToolReturn) else result
        self.made[id] = ToolReturnPart(name, value, id)
        await self._ended(part, show(value))
        return result

    def used(self, usage: RequestUsage) -> None:
        """A model answered."""
        progress = self.run.progress
        requests, read, written, _ = progress.usage
        progress.uses(requests + 1, read + usage.input_tokens, written + usage.output_tokens)

    async def failed(self, error: BaseException) -> None:
        """The run failed for good: tell its reader that what was called and is not done never will be."""
        for part in list(self._open):
            await self._ended(part, f"{type(error).__name__}: {error}")

    @contextmanager
    def _making(self, id: str, name: str, part: str) -> Iterator[None]:
        """A call is made inside; what raises ends the run, or leaves the call to a human."""
        self.made[id] = ToolReturnPart(name, _UNFINISHED, id, outcome="interrupted")
        try:
            yield
        except (ApprovalRequired, CallDeferred):
            del self.made[id], self._open[part]
            raise
        except Exception as error:
            text = f"The call failed with {type(error).__name__}, and the run with it."
            self.made[id] = ToolReturnPart(name, text, id, outcome="failed")
            raise

    def _check(self, name: str, result: Any) -> None:
        try:
            plain(result)
        except PayloadError:  # which the model may read nevertheless
            self._dumped(name, result)

    def _dumped(self, name: str, result: Any) -> dict[str, Any]:
        try:
            return dump_result(result)
        except PydanticSerializationError as error:
            raise PayloadError(
                f"result of tool {name!r}",
                f"no model can read it ({error}); return text, JSON data, or a pydantic model or dataclass of such",
            ) from error

    async def _ended(self, part: str, result: Any) -> None:
        name, told = self._open.pop(part)
        await self.run.tool(name, told, result, part=part)


def show(value: Any) -> Any:
    """`value` as plain data, at the worst as text."""
    for attempt in (value, storable(value)):
        try:
            return plain(attempt)
        except PayloadError:
            continue
    return storable(str(value))


def dump_result(result: Any) -> dict[str, Any]:
    """What a tool returned as plain data, which the model reads as it would have read that."""
    if not isinstance(result, ToolReturn):
        return {"value": _dump(result)}
    dumped: dict[str, Any] = {"value": _dump(result.return_value), "returned": True}
    if result.content is not None:
        dumped["content"] = storable(_contents().dump_python([result.content], mode="json"))[0]
    dumped |= {
        name: show(value)
        for name in ("metadata", "tools")
        if (value := getattr(result, name)) is not None
    }
    return dumped


def _load(recorded: Mapping[str, Any]) -> tuple[Any, ModelRetry | ToolFailed | None]:
    """What stands for a call that is not made again: its result, or what it tells the model."""
    if "raised" in recorded:
        kind = ModelRetry if recorded["raised"] == "retry" else ToolFailed
        return None, kind(recorded["message"])
    value = _parts().validate_python([recorded["value"]])[0].content
    if "returned" not in recorded:
        return value, None
    content = recorded.get("content")
    if content is not None:
        (content,) = _contents().validate_python([content])
    metadata, tools = recorded.get("metadata"), recorded.get("tools")
    return ToolReturn(value, content=content, metadata=metadata, tools=tools), None


def _dump_failure(error: ModelRetry | ToolFailed) -> dict[str, Any]:
    kind = "retry" if isinstance(error, ModelRetry) else "failed"
    return {"raised": kind, "message": error.message}


def _dump(value: Any) -> Any:
    # As it is kept in a conversation, where the model has to read the same as well.
    (dumped,) = _parts().dump_python([ToolReturnPart("", value, "")], mode="json")
    return {"tool_name": "", "content": storable(dumped["content"])}


@cache
def _parts() -> TypeAdapter[list[ToolReturnPart]]:
    return TypeAdapter(list[ToolReturnPart], config=_BYTES)


@cache
def _contents() -> TypeAdapter[list[Any]]:
    return TypeAdapter(list[str | list[UserContent]], config=_BYTES)


def dump_answer(response: ModelResponse) -> dict[str, Any]:
    """A model's answer as plain data."""
    (dumped,) = ModelMessagesTypeAdapter.dump_python([response], mode="json")
    return short(dumped)


def load_answer(recorded: Mapping[str, Any]) -> ModelResponse:
    """The answer that `dump_answer` made plain data of."""
    (answer,) = ModelMessagesTypeAdapter.validate_python([recorded])
    assert isinstance(answer, ModelResponse)
    return answer


def as_answer(result: Any) -> dict[str, Any]:
    """What is recorded of a model's answer that somebody tells: text, or an answer as Pydantic AI keeps it.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(result, str):
        return dump_answer(ModelResponse(parts=[TextPart(result)]))
    try:
        return dump_answer(load_answer(result))
    except (ValidationError, AssertionError) as error:
        raise ValueError(
            "a model's answer must be text, or a response of Pydantic AI as JSON: "
            f'{{"kind": "response", "parts": [...]}}; {error}'
        ) from error
