"""From any object to what can be sent."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage

from civitas.errors import PayloadError
from civitas.frameworks import plain
from civitas_langgraph._payload import flat_message

__all__ = ["plain_or_text"]


def plain_or_text(value: Any) -> Any:
    """A copy of `value` as plain data, else its text: what a tool takes and returns may be any object."""
    try:
        return plain(
            value, lambda each: flat_message(each) if isinstance(each, BaseMessage) else each
        )
    except PayloadError:
        return str(value)
