"""What is kept of a conversation, as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from civitas.frameworks.conversations import Record

if TYPE_CHECKING:
    from civitas.state import LongRecord

__all__ = ["as_text", "messages_of", "open_questions"]

# LangChain's words for the roles.
_ROLES = {"human": "user", "ai": "assistant"}
_TEXTS = ("text", "input_text", "output_text")


def messages_of(kept: LongRecord, told: Iterable[Any] | None = None) -> list[dict[str, Any]]:
    """The messages of a conversation: for each its `role`, its `content`, and `tool_calls` and `name` if it has them.

    Args:
        kept: What is kept of it.
        told: The messages as its adapter tells them; None if it is kept as plain data.
    """
    if told is None:
        history = Record.read(kept).history
        if isinstance(history, dict):
            told = history.get("items", [history])
        elif isinstance(history, list):
            told = history
        else:
            told = [] if history is None else [history]
    messages: list[dict[str, Any]] = []
    tools: dict[Any, str] = {}
    for item in told:
        messages += _messages(item, tools)
    return messages


def open_questions(kept: LongRecord) -> list[dict[str, Any]]:
    """What the conversation waits for a human to answer, each with its `id` and its `value`."""
    return Record.read(kept).interrupts or []


def as_text(message: Mapping[str, Any]) -> str:
    """A message as lines: who speaks and what, then which tools are called."""
    content = message["content"]
    text = content if isinstance(content, str) else _json(content)
    role = f"{message['role']} {message['name']}" if "name" in message else str(message["role"])
    lines = [f"{role}: {text}"] if text or not message.get("tool_calls") else []
    lines += [
        f"{role} calls {call['name']}({_json(call['arguments'])})"
        for call in message.get("tool_calls", ())
    ]
    return "\n".join(lines).replace("\n", "\n  ")


def _messages(item: Any, tools: dict[Any, str]) -> list[dict[str, Any]]:
    """`item` of a history as messages; `tools` knows which tool each call was of."""
    if not isinstance(item, dict):
        return [{"role": "kept", "content": item}]
    if item.keys() == {"inputs", "output"}:  # a run of a crew
        return [
            {"role": "user", "content": item["inputs"]},
            {"role": "assistant", "content": item["output"]},
        ]
    kind = item.get("type", "message")
    if kind.endswith("_call") and "name" in item:
        tools[item.get("call_id")] = item["name"]
        call = {"name": item["name"], "arguments": _parsed(item.get("arguments"))}
        return [{"role": "assistant", "content": "", "tool_calls": [call]}]
    if kind.endswith("_call_output"):
        name = tools.get(item.get("call_id"), kind.removesuffix("_output"))
        return [{"role": "tool", "name": name, "content": _text(item.get("output"))}]
    if "content" not in item:
        return [{"role": kind, "content": {k: v for k, v in item.items() if k != "type"}}]
    role = item.get("role") or _ROLES.get(kind, kind)
    message = {"role": role, "content": _text(item["content"])}
    calls = item.get("tool_calls") or ()
    for call in calls:
        tools[call.get("id")] = call.get("name", "")
    if calls:
        message["tool_calls"] = [
            {"name": call.get("name"), "arguments": call.get("args", call.get("arguments"))}
            for call in calls
        ]
    name = item.get("name") or (tools.get(item.get("tool_call_id")) if role == "tool" else None)
    return [{**message, "name": name} if name else message]


def _text(content: Any) -> Any:
    """The text of a content that is made of parts; whatever else it has stays as it is."""
    if isinstance(content, list) and all(
        isinstance(each, dict) and each.get("type") in _TEXTS for each in content
    ):
        return "".join(str(each.get("text", "")) for each in content)
    return content


def _parsed(arguments: Any) -> Any:
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return arguments


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
