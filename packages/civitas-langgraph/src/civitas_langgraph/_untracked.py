"""Channels whose values are only for the process: `UntrackedValue`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.channels import UntrackedValue
from langgraph.constants import START
from langgraph.pregel import Pregel

__all__ = ["Untracked"]


class Untracked:
    """The untracked channels of a graph and of its subgraphs: neither stored nor returned.

    LangGraph leaves them out of checkpoints; but not out of what a subgraph is given as its input, nor out of what
    waits beside an interrupt when a run is kept at its end.

    Args:
        graph: The graph; None for one whose channels are not known.
    """

    def __init__(self, graph: Any = None) -> None:
        self._names: dict[str, frozenset[str]] = {}
        if isinstance(graph, Pregel):
            self._names[""] = _names(graph)
            for path, each in graph.get_subgraphs(recurse=True):
                self._names[path] = _names(each)

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether a channel, given with the namespace of its graph, is one."""
        ns, channel = place
        return channel in self._of(ns)

    def told(self, result: Any) -> Any:
        """What the graph returned, without them."""
        names = self._of("")
        if not names or not isinstance(result, dict):
            return result
        return {key: value for key, value in result.items() if key not in names}

    def kept(self, ns: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of the channels of a graph, without what its input has of them."""
        given = values.get(START)
        names = self._of(ns) | self._of(ns.rpartition("|")[0])
        if not names or not isinstance(given, dict) or names.isdisjoint(given):
            return values
        return {
            **values,
            START: {key: value for key, value in given.items() if key not in names},
        }

    def _of(self, ns: str) -> frozenset[str]:
        # In a namespace, the id of the task that runs a subgraph follows the name of its node.
        path = "|".join(each.partition(":")[0] for each in ns.split("|"))
        return self._names.get(path, frozenset())


def _names(graph: Any) -> frozenset[str]:
    channels: Mapping[str, Any] = getattr(graph, "channels", {})
    return frozenset(
        name for name, channel in channels.items() if isinstance(channel, UntrackedValue)
    )
