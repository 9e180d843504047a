"""Where a durable run that is delivered again stands: in front of a breakpoint, or in the middle of its work.

LangGraph goes on from a checkpoint without looking for breakpoints there, as whoever goes on has seen them. A message
that is delivered again has not: its run may have been killed between the checkpoint and the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from langgraph.constants import TAG_HIDDEN
from langgraph.pregel import Pregel

if TYPE_CHECKING:
    from langgraph.types import StateSnapshot

__all__ = ["has_breakpoints", "is_at_breakpoint"]

_PASSED = "__interrupt__"
"""In `versions_seen` of a checkpoint: the versions that the last breakpoint was passed with."""


def has_breakpoints(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether `graph` or a subgraph of it was compiled with breakpoints."""
    graphs: list[Any] = [graph, *(each for _, each in graph.get_subgraphs(recurse=True))]
    return any(each.interrupt_before_nodes or each.interrupt_after_nodes for each in graphs)


async def is_at_breakpoint(graph: Pregel[Any, Any, Any, Any], snapshot: StateSnapshot) -> bool:
    """Whether a run that comes to where `snapshot` is stops there.

    Args:
        graph: The graph, with its checkpointer.
        snapshot: Of its thread, with its subgraphs.
    """
    return await _stops(graph, snapshot, graph.checkpointer)


async def _stops(graph: Pregel[Any, Any, Any, Any], snapshot: StateSnapshot, saver: Any) -> bool:
    subgraphs = dict(graph.get_subgraphs())
    inside = False
    for task in snapshot.tasks:
        below: Any = task.state
        if task.result is None and getattr(below, "next", None):
            inside = True
            subgraph = subgraphs.get(task.name)
            if isinstance(subgraph, Pregel) and await _stops(subgraph, below, saver):
                return True
    found = None if inside else await saver.aget_tuple(snapshot.config)
    if found is None:
        return False
    versions: Mapping[str, Any] = found.checkpoint["channel_versions"]
    seen: Mapping[str, Mapping[str, Any]] = found.checkpoint["versions_seen"]
    passed = seen.get(_PASSED, {})
    if all(channel in passed and passed[channel] >= at for channel, at in versions.items()):
        return False
    return _names(graph, graph.interrupt_before_nodes, snapshot.next) or _names(
        graph, graph.interrupt_after_nodes, _ran_last(seen)
    )


def _names(
    graph: Pregel[Any, Any, Any, Any], given: Sequence[str] | Literal["*"], nodes: Iterable[str]
) -> bool:
    if given == "*":
        return any(TAG_HIDDEN not in (graph.nodes[node].tags or ()) for node in nodes)
    return any(node in given for node in nodes)


def _ran_last(seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The nodes of the step that made a checkpoint: those that saw what the step before it wrote."""
    newest = {node: max(at.values()) for node, at in seen.items() if at and node != _PASSED}
    last = max(newest.values(), default=None)
    return [node for node, at in newest.items() if at == last]
