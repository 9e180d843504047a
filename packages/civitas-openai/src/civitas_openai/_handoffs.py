"""The history that goes along with a handoff, and the answer that comes back, in forms that any agent takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["as_messages", "read_output"]


def as_messages(items: str | list[Any]) -> list[dict[str, Any]]:
    """Input items as messages that every framework takes: `{"role", "content"}`.

    Text is joined; what else a message has, such as an image, stays as it is. The call of a tool and its result become
    what the assistant says of them. Handoffs are left out.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    calls: dict[str, Mapping[str, Any]] = {}
    messages: list[dict[str, Any]] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            calls[item["call_id"]] = item
        elif kind == "function_call_output":
            call = calls.pop(item["call_id"], {"name": "a tool", "arguments": ""})
            if not _is_handoff(call["name"], item["output"]):
                text = f"{call['name']}({call['arguments']}) returned: {_text(item['output'])}"
                messages.append({"role": "assistant", "content": text})
        elif "role" in item:
            messages.append({"role": item["role"], "content": _text(item["content"])})
    return messages


def _text(content: Any) -> Any:
    """The text of a message's content; the content itself if it is more than text."""
    if not isinstance(content, list):
        return content
    texts = [part.get("text", part.get("refusal")) for part in content]
    return content if None in texts else "".join(texts)


def _is_handoff(name: str, output: Any) -> bool:
    """Whether a call was the SDK's way to hand over; what it returns is the name of the agent."""
    try:
        return name.startswith("transfer_to_") and set(json.loads(output)) == {"assistant"}
    except (TypeError, ValueError):
        return False


def read_output(payload: Any) -> Any:
    """What an agent answered: an SDK agent's or a crew's `output`, the last message of a graph; or all of it."""
    if isinstance(payload, Mapping):
        if "output" in payload:
            return payload["output"]
        messages = payload.get("messages")
        if messages and isinstance(messages[-1], Mapping) and "content" in messages[-1]:
            return messages[-1]["content"]
    return payload
