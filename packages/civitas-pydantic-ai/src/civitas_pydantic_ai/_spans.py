"""From the calls of a run to spans: one for each call of a model or a tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ToolCallPart

from civitas.telemetry import names
from civitas.telemetry.providers import UNKNOWN, provider_at, provider_named
from civitas_pydantic_ai._payload import text_of

if TYPE_CHECKING:
    from pydantic_ai import ModelResponse
    from pydantic_ai.models import Model

    from civitas.frameworks import Run
    from civitas.telemetry.content import Content

__all__ = ["ChatSpan", "calling_model", "calling_tool"]


class ChatSpan:
    """One call of a model, and what is known of it.

    Args:
        content: Makes attributes of what it says; None if that is not to be recorded.
    """

    def __init__(self, content: Content | None) -> None:
        self._content = content
        self.attributes: dict[str, Any] = {}

    def answered(self, response: ModelResponse) -> None:
        """The model answered."""
        usage = response.usage
        calls = [
            {"id": each.tool_call_id, "name": each.tool_name, "arguments": each.args}
            for each in response.parts
            if isinstance(each, ToolCallPart)
        ]
        reason = response.finish_reason or ("tool_call" if calls else "stop")
        self.attributes = {
            names.RESPONSE_ID: response.provider_response_id,
            names.RESPONSE_MODEL: response.model_name,
            names.FINISH_REASONS: [reason],
            names.INPUT_TOKENS: usage.input_tokens or None,
            names.OUTPUT_TOKENS: usage.output_tokens or None,
            names.CACHE_READ_TOKENS: usage.cache_read_tokens or None,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens or None,
            names.REASONING_TOKENS: usage.output_reasoning_tokens or None,
        }
        if self._content is not None:
            self.attributes[names.OUTPUT_MESSAGES] = self._content.answer(
                names.OUTPUT_MESSAGES, text_of(response.parts), calls, reason
            )


@contextmanager
def calling_model(
    run: Run, part: str, model: Model, asked: Sequence[Mapping[str, Any]]
) -> Iterator[ChatSpan]:
    """The span of one call of `model`, inside the block, if anybody records the run.

    Args:
        run: The run.
        part: Names the call in it.
        model: The model.
        asked: What it is asked.
    """
    tree = run.spans
    if tree is None:
        yield ChatSpan(None)
        return
    attributes: dict[str, Any] = {
        names.GEN_AI_OPERATION: "chat",
        names.PROVIDER: provider_at(model.base_url) or provider_named(model.system) or UNKNOWN,
        names.REQUEST_MODEL: model.model_name,
    }
    if tree.content is not None:
        attributes[names.INPUT_MESSAGES] = tree.content.messages(names.INPUT_MESSAGES, asked)
    call = ChatSpan(tree.content)
    tree.start(part, None, names.chat(model.model_name), attributes)
    try:
        yield call
    except BaseException as error:
        tree.end(part, call.attributes, error=error)
        raise
    else:
        tree.end(part, call.attributes)


@contextmanager
def calling_tool(run: Run, id: str, name: str, arguments: Any) -> Iterator[list[Any]]:
    """The span of one call of a tool, inside the block, which puts the result into the list.

    Args:
        run: The run.
        id: The model's id of the call.
        name: Of the tool.
        arguments: What it is called with.
    """
    tree, returned = run.spans, list[Any]()
    if tree is None:
        yield returned
        return
    attributes: dict[str, Any] = {
        names.GEN_AI_OPERATION: "execute_tool",
        names.TOOL_NAME: name,
        names.TOOL_TYPE: "function",
        names.TOOL_CALL_ID: id,
    }
    if tree.content is not None:
        attributes[names.TOOL_ARGUMENTS] = tree.content.value(names.TOOL_ARGUMENTS, arguments)
    key = object()
    tree.start(key, None, names.execute_tool(name), attributes)
    try:
        yield returned
    except BaseException as error:
        tree.end(key, error=error)
        raise
    else:
        found = {}
        if tree.content is not None and returned:
            found[names.TOOL_RESULT] = tree.content.value(names.TOOL_RESULT, returned[0])
        tree.end(key, found)
