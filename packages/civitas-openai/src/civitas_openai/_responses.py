"""What a model answers: from a stream of events, to plain data, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import cache
from typing import Any, cast

from agents import ModelResponse, Usage
from agents.exceptions import ModelBehaviorError
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.usage import deserialize_usage, serialize_usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from pydantic import TypeAdapter, ValidationError

__all__ = ["as_answer", "as_delta", "as_event", "collect", "dump", "load", "text_of"]


def dump(response: ModelResponse) -> dict[str, Any]:
    """`response` as plain data."""
    return {
        "output": [item.model_dump(mode="json", exclude_unset=True) for item in response.output],
        "usage": serialize_usage(response.usage),
        "response_id": response.response_id,
        "request_id": response.request_id,
    }


def load(recorded: dict[str, Any]) -> ModelResponse:
    """The response that `dump` made plain data of."""
    return ModelResponse(
        output=[_items().validate_python(item) for item in recorded["output"]],
        usage=deserialize_usage(recorded["usage"]),
        response_id=recorded["response_id"],
        request_id=recorded["request_id"],
    )


def as_answer(result: Any) -> dict[str, Any]:
    """What is recorded of a model's answer that somebody tells.

    Args:
        result: Text, or a list of output items of the Responses API.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(result, str):
        part = {"type": "output_text", "text": result, "annotations": []}
        result = [
            {
                "id": FAKE_RESPONSES_ID,
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        ]
    try:
        items = TypeAdapter(list[ResponseOutputItem]).validate_python(result)
    except ValidationError as error:
        raise ValueError(
            f"a model's answer must be text, or a list of output items of the Responses API: {error}"
        ) from error
    return dump(ModelResponse(items, Usage(), None))


@cache
def _items() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseOutputItem)


def text_of(response: ModelResponse) -> str:
    """What `response` says."""
    return "".join(
        part.text
        for item in response.output
        if isinstance(item, ResponseOutputMessage)
        for part in item.content
        if isinstance(part, ResponseOutputText)
    )


async def collect(
    stream: AsyncIterator[Any],
    tell: Callable[[str], Awaitable[None]],
    moves: Callable[[str], None],
) -> ModelResponse:
    """Read a model's stream to its end, and tell each piece of text as it comes.

    Args:
        stream: The stream.
        tell: Given each piece of text.
        moves: Called with each event, in words: thoughts and the arguments of tools, too.

    Raises:
        ModelBehaviorError: It ended without an answer.
    """
    done: list[Any] = []
    response: Response | None = None
    told = False
    async with aclosing(cast("Any", stream)) as events:
        async for event in events:
            kind = event.type
            moves("a token came")
            if kind == "response.output_text.delta":
                told = told or bool(event.delta)
                await tell(event.delta)
            elif kind == "response.output_item.done":
                done.append(event.item)
            elif kind == "response.completed":
                response = event.response
            elif kind in ("response.failed", "response.incomplete", "response.error", "error"):
                about = getattr(event, "response", event)
                details = (
                    getattr(about, name, None)
                    for name in ("error", "incomplete_details", "code", "message")
                )
                raise ModelBehaviorError(
                    f"The model's stream ended with {kind}: "
                    + ("; ".join(str(each) for each in details if each) or "it gives no reason")
                )
    if response is None:
        raise ModelBehaviorError("Model did not produce a final response!")
    collected = ModelResponse(
        # Some backends leave the final output empty and send the items before it only.
        output=response.output or done,
        usage=_usage(response),
        response_id=response.id,
        request_id=getattr(response, "_request_id", None),
    )
    if not told:
        await tell(text_of(collected))
    return collected


def _usage(response: Response) -> Usage:
    used = response.usage
    if used is None:
        return Usage()
    return Usage(
        requests=1,
        input_tokens=used.input_tokens,
        input_tokens_details=used.input_tokens_details,
        output_tokens=used.output_tokens,
        output_tokens_details=used.output_tokens_details,
        total_tokens=used.total_tokens,
    )


def as_event(response: ModelResponse, model: str) -> ResponseCompletedEvent:
    """`response` as the last event of a stream."""
    used = response.usage
    whole = Response.model_construct(
        id=response.response_id or "recorded",
        created_at=0.0,
        model=model,
        object="response",
        output=response.output,
        parallel_tool_calls=False,
        tool_choice="auto",
        tools=[],
        usage=ResponseUsage.model_construct(
            input_tokens=used.input_tokens,
            input_tokens_details=used.input_tokens_details,
            output_tokens=used.output_tokens,
            output_tokens_details=used.output_tokens_details,
            total_tokens=used.total_tokens,
        ),
    )
    whole._request_id = response.request_id
    return ResponseCompletedEvent.model_construct(
        type="response.completed", sequence_number=0, response=whole
    )


def as_delta(text: str) -> ResponseTextDeltaEvent:
    """`text` as an event of a stream."""
    return ResponseTextDeltaEvent.model_construct(
        type="response.output_text.delta",
        content_index=0,
        delta=text,
        item_id="",
        logprobs=[],
        output_index=0,
        sequence_number=0,
    )
