"""Questions of an agent to a human, and the answers to them, in the middle of a prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from civitas.edge.texts import as_json, text_of
from civitas.message import Message

__all__ = ["answer_to", "question_of", "questions_in"]

_YES = frozenset({"y", "yes", "true", "ok", "approve", "approved", "allow"})
_NO = frozenset({"n", "no", "false", "deny", "denied", "reject", "rejected"})


def questions_in(reply: Message) -> list[Mapping[str, Any]]:
    """The `interrupts` of a reply; none if it asks nothing, or in no form that could be answered."""
    payload = reply.payload
    if reply.type != "interrupt" or not isinstance(payload, Mapping):
        return []
    found = payload.get("interrupts")
    if not isinstance(found, list):
        return []
    return [
        each
        for each in found
        if isinstance(each, Mapping) and isinstance(each.get("id"), str | int)
    ]


def question_of(interrupt: Mapping[str, Any]) -> str:
    """What to ask: one of the `interrupts` in the payload of an agent's reply, as text."""
    value = interrupt.get("value")
    if _is_approval(value):
        return (
            f"May the tool {value['name']!r} be called with {as_json(value['arguments'])}? (yes/no)"
        )
    draft = value.get("draft") if isinstance(value, Mapping) else None
    return draft if isinstance(draft, str) else text_of(value) or "?"


def answer_to(interrupt: Mapping[str, Any], text: str) -> Any:
    """What a human's words mean to the agent that asked.

    An approval is yes or no, and anything else a no with the reason. A question with a schema is answered by JSON, if
    the words are that; any other by the words.
    """
    if _is_approval(interrupt.get("value")):
        word = text.strip().rstrip(".!").lower()
        if word in _YES or word in _NO:
            return word in _YES
        return {"approve": False, "message": text}
    if "response_schema" in interrupt:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _is_approval(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping) and {"name", "arguments"} <= value.keys()
