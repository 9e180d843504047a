"""What Civitas finds by entry point: `wrap` for compiled graphs, and who reads their threads.

Imports no LangGraph by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from civitas.frameworks import comes_from
from civitas.plugins import hookimpl

if TYPE_CHECKING:
    from civitas.process import AgentProcess
    from civitas.state import LongRecord

__all__ = ["civitas_messages", "civitas_wrap"]


@hookimpl
def civitas_wrap(obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
    """An agent for a compiled graph; a graph that is not compiled yet gets an error that says so."""
    if not comes_from(obj, "langgraph", "PregelProtocol", "StateGraph"):
        return None
    from civitas_langgraph.agent import LangGraphAgent

    return LangGraphAgent(name, graph=obj, **options)


@hookimpl
def civitas_messages(kept: LongRecord) -> list[dict[str, Any]] | None:
    """The messages in a thread, or its state where it has none."""
    if not _is_thread(kept):
        return None
    from civitas_langgraph._shown import shown

    return shown(kept)


def _is_thread(kept: LongRecord) -> bool:
    """Whether it is a graph's thread, in the form of today or of an earlier version."""
    if kept.old is None:
        return "checkpoints" in kept.facts
    spaces = [each for each in kept.old.values() if isinstance(each, dict)]
    return any("checkpoint" in each for space in spaces for each in space.values() if each)
