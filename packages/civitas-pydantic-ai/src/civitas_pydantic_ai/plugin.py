"""What Civitas finds by entry point: `wrap` for agents of Pydantic AI, and who reads what they keep.

Imports no Pydantic AI by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.frameworks.conversations import Record
from civitas.plugins import hookimpl

if TYPE_CHECKING:
    from civitas.process import AgentProcess
    from civitas.state import LongRecord

__all__ = ["civitas_messages", "civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for a Pydantic AI `Agent`."""
    if not comes_from(obj, "pydantic_ai.agent", "AbstractAgent"):
        return None
    from civitas_pydantic_ai.agent import PydanticAIAgent

    return PydanticAIAgent(name, agent=obj, **options)


@hookimpl
def civitas_messages(kept: LongRecord) -> list[dict[str, Any]] | None:
    """The messages in a conversation."""
    history = Record.read(kept).history
    items = history.get("items", []) if isinstance(history, dict) else []
    first = items[0] if items else None
    if not isinstance(first, dict) or not {"kind", "parts"} <= first.keys():
        return None
    from civitas_pydantic_ai._memory import KeptMessages
    from civitas_pydantic_ai._payload import as_messages

    return as_messages(KeptMessages(items).messages)
