"""What the scripted model can say, and how that looks in the OpenAI APIs."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from civitas.models import ToolCall

__all__ = ["Answer", "Failure", "ToolCall", "chunks", "completion", "error", "events", "response"]


@dataclass(frozen=True, slots=True)
class Failure:
    """The model answers with an error.

    Attributes:
        status: HTTP status. Clients try 429 and 5xx again by themselves, 4xx not.
        message: Text of the error.
        retry_after: Seconds for the `Retry-After` header, or None.
    """

    status: int = 400
    message: str = "the script says so"
    retry_after: float | None = None


Said: TypeAlias = "str | ToolCall | Sequence[ToolCall]"
"""What the model says: text, or one or more tool calls."""

Answer: TypeAlias = "Said | Failure"
"""What the model answers one request with."""


def error(message: str) -> dict[str, Any]:
    """An error, in both APIs."""
    return {"error": {"message": message, "type": "scripted", "param": None, "code": None}}


def completion(body: dict[str, Any], answer: Said) -> dict[str, Any]:
    """The answer of chat completions."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(answer, str):
        message["content"] = answer
    else:
        message["tool_calls"] = _calls(answer)
    reason = "stop" if isinstance(answer, str) else "tool_calls"
    return _head(body, "chat.completion") | {
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": _usage(*_tokens(body, answer)),
    }


def chunks(body: dict[str, Any], answer: Said) -> Iterator[dict[str, Any]]:
    """The answer of chat completions, piece by piece."""
    head = _head(body, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    yield chunk({"role": "assistant", "content": ""})
    if isinstance(answer, str):
        for word in _words(answer):
            yield chunk({"content": word})
        yield chunk({}, "stop")
    else:
        for index, call in enumerate(_calls(answer)):
            yield chunk({"tool_calls": [{"index": index, **call}]})
        yield chunk({}, "tool_calls")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield head | {"choices": [], "usage": _usage(*_tokens(body, answer))}


def _words(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        space = text.find(" ", start + 1)
        end = len(text) if space < 0 else space
        yield text[start:end]
        start = end


def response(body: dict[str, Any], answer: Said) -> dict[str, Any]:
    """The answer of the responses API."""
    asked, answered = _tokens(body, answer)
    stamp = f"{time.monotonic_ns():x}"
    output: list[dict[str, Any]]
    if isinstance(answer, str):
        content = {"type": "output_text", "text": answer, "annotations": []}
        output = [
            {"type": "message", "id": f"msg_{stamp}", "role": "assistant", "content": [content]}
        ]
    else:
        output = [
            {
                "type": "function_call",
                "id": f"fc_{call['id']}",
                "call_id": call["id"],
                **call["function"],
            }
            for call in _calls(answer)
        ]
    return {
        "id": f"resp_{stamp}",
        "object": "response",
        "created_at": int(time.time()),
        "model": body.get("model", "scripted"),
        "status": "completed",
        "output": [{**item, "status": "completed"} for item in output],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": answered,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered,
        },
    }


def events(body: dict[str, Any], answer: Said) -> Iterator[dict[str, Any]]:
    """The answer of the responses API, piece by piece."""
    whole = response(body, answer)
    numbers = itertools.count()

    def event(type: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"response.{type}", "sequence_number": next(numbers), **fields}

    yield event("created", response=whole | {"status": "in_progress", "output": []})
    for index, item in enumerate(whole["output"]):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            (part,) = item["content"]
            text = place | {"content_index": 0}
            yield event("output_item.added", output_index=index, item=item | {"content": []})
            yield event("content_part.added", **text, part=part | {"text": ""})
            for word in _words(part["text"]):
                yield event("output_text.delta", **text, delta=word, logprobs=[])
            yield event("output_text.done", **text, text=part["text"], logprobs=[])
            yield event("content_part.done", **text, part=part)
        else:
            arguments = item["arguments"]
            yield event("output_item.added", output_index=index, item=item | {"arguments": ""})
            yield event("function_call_arguments.delta", **place, delta=arguments)
            done = {"arguments": arguments, "name": item["name"]}
            yield event("function_call_arguments.done", **place, **done)
        yield event("output_item.done", output_index=index, item=item)
    yield event("completed", response=whole)


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{time.monotonic_ns():x}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
    }


def _calls(answer: ToolCall | Sequence[ToolCall]) -> list[dict[str, Any]]:
    calls = [answer] if isinstance(answer, ToolCall) else list(answer)
    return [
        {
            "id": f"call_{time.monotonic_ns():x}{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(calls)
    ]


def _tokens(body: dict[str, Any], answer: Said) -> tuple[int, int]:
    # Four letters to a token, as a rule of thumb.
    asked = json.dumps(body.get("messages") or body.get("input") or "")
    return len(asked) // 4 + 1, len(str(answer)) // 4 + 1


def _usage(asked: int, answered: int) -> dict[str, int]:
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }
