"""What was said to models and tools, for traces: only if the environment asks for it, cut, and redacted."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

__all__ = ["Content", "Redact", "captures"]

logger = logging.getLogger("civitas")

Redact = Callable[[str, Any], Any]
"""Takes the name of an attribute and what is about to be recorded under it, plain data; returns what to record."""

SWITCH: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_ON = frozenset({"true", "1", "span_only", "span_and_event"})

_LONGEST_TEXT = 4096
"""Characters of one text."""
_LONGEST = 32_768
"""Characters of one attribute."""
_DEEPEST = 20
_MORE = "…"


def captures() -> bool:
    """Whether the environment wants prompts, answers, arguments and results in spans."""
    return os.environ.get(SWITCH, "").strip().lower() in _ON


class Content:
    """Turns what was said into the values of attributes: JSON in the shapes of the GenAI conventions.

    Args:
        redact: Changes what is about to be recorded; None for nothing to change. Where it raises an error nothing is
            recorded.
    """

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact
        self._said = False

    def messages(self, attribute: str, messages: Any) -> str | None:
        """Messages as chat completions or the Responses API have them; the oldest are left out if all are too long."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        if not isinstance(messages, Iterable):
            return None
        told = [found for each in messages if (found := _message(each)) is not None]
        return self._text(attribute, told)

    def answer(
        self,
        attribute: str,
        content: Any,
        tool_calls: Iterable[Any] = (),
        finish_reason: str | None = None,
    ) -> str | None:
        """One answer of a model: its text, and the tools that it wants called."""
        message = _message({"role": "assistant", "content": content, "tool_calls": tool_calls})
        if message is None:
            return None
        message["finish_reason"] = finish_reason or "stop"
        return self._text(attribute, [message])

    def value(self, attribute: str, value: Any) -> str | None:
        """The arguments of a tool, or what it returned; a text that holds JSON as what it holds."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return self._text(attribute, value)
        return self._text(attribute, value)

    def _text(self, attribute: str, value: Any) -> str | None:
        if value is None or value == []:
            return None
        if self._redact is not None:
            try:
                # Before anything is cut: half a secret is not recognized as one.
                value = self._redact(attribute, _cut(value, sys.maxsize, _DEEPEST))
            except Exception:
                if not self._said:
                    self._said = True
                    logger.exception(
                        "civitas_redact raised an error: what it was asked about is not recorded"
                    )
                return None
            if value is None:
                return None
        value = _cut(value, _LONGEST_TEXT, _DEEPEST)
        text = _json(value)
        while len(text) > _LONGEST and isinstance(value, list) and len(value) > 1:
            value = value[(len(value) + 1) // 2 :]
            text = _json(value)
        return text if len(text) <= _LONGEST else _json(text[: _LONGEST // 2] + _MORE)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))


def _message(given: Any) -> dict[str, Any] | None:
    """A message in parts, as the conventions have it."""
    if not isinstance(given, Mapping):
        return None
    match given.get("type"):
        case "function_call":
            return {"role": "assistant", "parts": [_call(given)]}
        case "function_call_output":
            result = _result(given.get("call_id"), given.get("output"))
            return {"role": "tool", "parts": [result]}
    role = given.get("role")
    if not isinstance(role, str):
        return None
    if role == "tool":
        result = _result(given.get("tool_call_id"), given.get("content"))
        return {"role": role, "parts": [result]}
    parts = list(_parts(given.get("content")))
    parts += [_call(each) for each in given.get("tool_calls") or () if isinstance(each, Mapping)]
    return {"role": role, "parts": parts}


def _parts(content: Any) -> Iterable[dict[str, Any]]:
    if isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
        return
    for each in content if isinstance(content, Sequence) else ():
        text = each.get("text") if isinstance(each, Mapping) else each
        if isinstance(text, str):
            yield {"type": "text", "content": text}
        elif isinstance(each, Mapping) and isinstance(kind := each.get("type"), str):
            yield {"type": kind}  # a picture or a sound: that there was one


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    function = given.get("function")
    about = function if isinstance(function, Mapping) else given
    arguments = about.get("arguments", about.get("args"))
    if isinstance(arguments, str):
        with suppress(ValueError):
            arguments = json.loads(arguments)
    id = given.get("call_id") or given.get("id")
    return {"type": "tool_call", "id": id, "name": about.get("name"), "arguments": arguments}


def _result(id: Any, result: Any) -> dict[str, Any]:
    return {"type": "tool_call_response", "id": id, "response": result}


def _cut(value: Any, longest: int, deepest: int) -> Any:
    """`value` as plain data, with long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= longest else value[:longest] + _MORE
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if deepest == 0:
        return _MORE
    if isinstance(value, Mapping):
        return {str(key): _cut(each, longest, deepest - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cut(each, longest, deepest - 1) for each in value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return _cut(dump(mode="json"), longest, deepest - 1)
    return _cut(str(value), longest, deepest - 1)
