"""Breakpoints: whether a durable run that is delivered again stands at one, and the answer to one.

LangGraph goes on from a checkpoint without looking for breakpoints there, since whoever goes on has seen them. A
message that is delivered again has not: its run may have been killed between the checkpoint and the answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from langgraph.constants import END, TAG_HIDDEN
from langgraph.pregel import Pregel

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import StateSnapshot

    from civitas_langgraph._payload import GraphInput, Refuse

__all__ = ["GoAhead", "has_breakpoints", "is_at_breakpoint"]

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


_KEYS = ("update", "as_node")


@dataclass(frozen=True)
class GoAhead:
    """What an answer says: LangGraph's `update_state`, and to go on.

    Attributes:
        update: What of the state to change.
        as_node: The node that wrote it: the graph goes on behind it. None: where it stands.
    """

    update: Mapping[str, Any] | None = None
    as_node: str | None = None

    @classmethod
    def read(cls, value: Any, graph: GraphInput, refuse: Refuse) -> GoAhead:
        """The go-ahead that `value` is, or `refuse` with what can be answered."""
        where = "payload.value"
        if value is False:
            refuse(
                where,
                "no question was asked, so the graph can only go on. To end its run here, answer "
                f"{{'as_node': {END!r}}}; to leave it, send a new message",
            )
        if not isinstance(value, dict):
            return cls()
        for key in value:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, 1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                refuse(
                    f"{where}.{key}",
                    f"{hint}a graph at a breakpoint takes True, or a dict with 'update' and 'as_node'",
                )
        as_node = value.get("as_node")
        if as_node is not None and as_node != END:
            graph.node(as_node, f"{where}.as_node", refuse)
        update = value.get("update")
        if update is not None:
            graph.update(update, f"{where}.update", refuse)
        return cls(update, as_node)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do besides going on."""
        return bool(self.update) or self.as_node is not None

    async def apply(self, graph: Any, snapshot: StateSnapshot, marks: Mapping[str, Any]) -> None:
        """Change the state of the thread, in the graph that stopped: it, or a subgraph of it.

        Args:
            graph: The graph.
            snapshot: Of its thread, with its subgraphs.
            marks: What a checkpoint that is made by this run says so by: an earlier delivery changes it once.
        """
        stopped = _innermost(snapshot)
        metadata: Mapping[str, Any] = stopped.metadata or {}
        if marks and marks.items() <= metadata.items():
            return
        config: RunnableConfig = {"configurable": {**stopped.config["configurable"], **marks}}
        update = None if self.as_node == END else self.update or {}
        await graph.aupdate_state(config, update, as_node=self.as_node)


def _innermost(snapshot: StateSnapshot) -> StateSnapshot:
    for task in snapshot.tasks:
        below: Any = task.state
        if task.result is None and getattr(below, "next", None):
            return _innermost(below)
    return snapshot
