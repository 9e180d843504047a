"""A thread as people read it, from what is kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from civitas_langgraph._payload import flat_message, plain_or_text
from civitas_langgraph._thread import Thread

if TYPE_CHECKING:
    from civitas.state import LongRecord

__all__ = ["shown"]


def shown(kept: LongRecord) -> list[dict[str, Any]]:
    """Its messages, those of all its lists; the other values of its state before them."""
    # The strict form: nothing of the user's is imported.
    thread = Thread(JsonPlusSerializer(allowed_msgpack_modules=None), kept)
    space = thread.spaces.get("", {})
    if not space:
        return []
    state = thread.values(space[max(space)])
    messages: list[dict[str, Any]] = []
    rest: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, list) and value and all(isinstance(m, BaseMessage) for m in value):
            messages += map(flat_message, value)
        elif not name.startswith(("__", "branch:")):
            rest[name] = plain_or_text(value)
    return [*([{"role": "state", "content": rest}] if rest else ()), *messages]
