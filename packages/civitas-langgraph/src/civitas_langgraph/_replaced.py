"""Copies of graphs with other checkpointers and stores: the graph that was given is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langgraph.pregel import Pregel

from civitas.errors import ConfigurationError
from civitas_langgraph._store import GraphStore

if TYPE_CHECKING:
    from civitas.state import StateStore

__all__ = ["copy_of", "with_store"]


def copy_of(graph: Pregel[Any, Any, Any, Any], **changes: Any) -> Pregel[Any, Any, Any, Any]:
    """A copy of `graph` with these attributes."""
    # A copy sets a channel of its own in the dict of the original.
    return graph.copy({**changes, "channels": {**graph.channels}})


def with_store(graph: Any, store: StateStore, index: Any, where: str) -> Any:
    """The graph with the store of the user, or one over the StateStore.

    Args:
        graph: The graph.
        store: The StateStore.
        index: With which the store finds by meaning; None for none.
        where: Of the agent, for an error.

    Raises:
        ConfigurationError: There is an index for a graph with a store of its own.
    """
    if not isinstance(graph, Pregel) or graph.store is not None:
        if index is not None:
            raise ConfigurationError(
                f"{where}: store_index is for the store that Civitas lends to a graph, and this one has its "
                "own; give the index to that one"
            )
        return graph
    return copy_of(graph, store=GraphStore(store, index=index))
