"""From what an agent says to text, for those who read nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from civitas.message import to_plain
from civitas.message.json_form import json_form

__all__ = ["EMITTED", "as_json", "text_of", "token_of"]

EMITTED = frozenset({"token", "step", "tool", "custom", "chunk"})
"""Types of what is emitted; anything else may be the reply."""

_ITSELF = ("output", "text", "content", "answer", "reply")
"""Keys whose text is what a payload has to say."""


def text_of(payload: Any) -> str:
    """The text in a payload; JSON if it has another form, empty for None.

    It is the text itself, the `output` of an agent or a crew, the last message of a graph.
    """
    if payload is None:
        return ""
    if isinstance(payload, str):
        return payload
    if isinstance(payload, Mapping):
        messages = payload.get("messages")
        if isinstance(messages, list) and messages:
            return text_of(messages[-1])
        for key in _ITSELF:
            found = payload.get(key)
            if isinstance(found, str):
                return found
            if isinstance(found, list) and (text := _text_of_blocks(found)):
                return text
    return as_json(payload)


def token_of(payload: Any) -> str:
    """The text in a token: the one under `text`, as adapters emit it, or whatever an agent of one's own emits."""
    found = payload.get("text") if isinstance(payload, Mapping) else None
    return found if isinstance(found, str) else text_of(payload)


def as_json(payload: Any) -> str:
    """A payload as JSON; what JSON has no form for is text."""
    return json.dumps(json_form(to_plain(payload)), ensure_ascii=False)


def _text_of_blocks(blocks: list[Any]) -> str:
    """The text in the content of a message, which models give in blocks."""
    return "".join(
        block["text"]
        for block in blocks
        if isinstance(block, Mapping) and isinstance(block.get("text"), str)
    )
