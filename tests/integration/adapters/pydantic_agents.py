"""Agents of Pydantic AI whose models and tools come to points."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, Tool

from tests.integration.adapters.points import point
from tests.pydantic_ai.support import Says, call, texts_of


async def _next(messages: Any) -> Any:
    """Calls one tool after the other, and says what they returned."""
    found = texts_of(messages)[1:]
    await point(f"model-{len(found)}")
    tools = ("look", "delete")
    return " ".join(found) if len(found) == 2 else [call(tools[len(found)], f"c{len(found)}")]


async def look() -> str:
    """Look."""
    await point("look")
    return "found"


async def delete() -> str:
    """Delete it."""
    await point("delete")
    return "deleted"


clerk: Agent[Any, Any] = Says(_next).agent(tools=[look, Tool(delete, requires_approval=True)])
