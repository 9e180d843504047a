"""The answer to a breakpoint: to go on, as the state is or with a change of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph.constants import END

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import StateSnapshot

    from civitas_langgraph._payload import GraphInput, Refuse

__all__ = ["GoAhead"]

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
        """The go-ahead that `value` is, or `refuse` with what there is to say."""
        where = "payload.value"
        if value is False:
            refuse(
                where,
                "nobody asked whether, so the graph can only go on. To end its run here, answer "
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
        """Whether there is anything to do but to go on."""
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
