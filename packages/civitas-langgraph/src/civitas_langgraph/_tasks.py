"""What LangChain's callbacks are about: the steps of a graph, and its tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.constants import TAG_HIDDEN

__all__ = ["name_of_model", "name_of_tool", "task_of"]


def task_of(
    name: str | None, tags: Sequence[str] | None, metadata: Mapping[str, Any] | None
) -> str | None:
    """The task that begins with a chain: one visit of a node of the graph's own, or one call of a `@task`.

    Not of what LangGraph adds to a graph, such as the way in and the handlers of errors, nor of what a node calls.

    Args:
        name: Of the chain.
        tags: Its tags.
        metadata: Its metadata.

    Returns:
        Its namespace, the same when it is run again; None if no task begins.
    """
    about = metadata or {}
    if not name or name != about.get("langgraph_node") or name.startswith("__"):
        return None
    tags = tags or ()
    if TAG_HIDDEN in tags:
        return None
    path: Sequence[Any] = about.get("langgraph_path") or ()
    is_node = any(tag.startswith("graph:step:") for tag in tags)
    is_call = len(path) == 4 and path[-1] is True and "seq:step:1" in tags
    return about.get("langgraph_checkpoint_ns") if is_node or is_call else None


def name_of_model(
    metadata: Mapping[str, Any] | None, parameters: Mapping[str, Any] | None
) -> str | None:
    """A model's name; None if it has none.

    Args:
        metadata: Of the call.
        parameters: That it is called with.
    """
    asked = parameters or {}
    named: str | None = (
        (metadata or {}).get("ls_model_name") or asked.get("model") or asked.get("model_name")
    )
    return named


def name_of_tool(serialized: Mapping[str, Any] | None, name: str | None) -> str:
    """A tool's name, as the model knows it."""
    return (serialized or {}).get("name") or name or "tool"
