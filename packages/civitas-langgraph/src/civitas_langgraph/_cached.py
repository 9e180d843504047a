"""The steps whose result LangGraph takes from its cache: no callback reports them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from langgraph.pregel import Pregel

__all__ = ["CachedSteps", "has_cache"]

_ABOUT = "__metadata__"


def has_cache(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a result may come from a cache in `graph` or in a subgraph of it."""
    graphs: list[Any] = [graph, *(each for _, each in graph.get_subgraphs(recurse=True))]
    return any(each.cache is not None for each in graphs)


class CachedSteps:
    """Finds the cached steps of one run in what LangGraph streams of it.

    Args:
        found: Given the name and the task of each.
        goes_on: The run goes on with an earlier one: what finished there comes first, and looks as if it was cached.
    """

    def __init__(self, found: Callable[[str, str], None], *, goes_on: bool) -> None:
        self._found = found
        self._goes_on = goes_on
        self._tasks: defaultdict[tuple[Any, str], list[str]] = defaultdict(list)

    def see(self, chunk: tuple[tuple[str, ...], str, Any]) -> None:
        """Look at one part of the stream, of the mode ``tasks`` or ``updates``."""
        place, mode, part = chunk
        if mode == "tasks" and "input" in part:
            task = "|".join([*place, f"{part['name']}:{part['id']}"])
            self._tasks[place, part["name"]].append(task)
        elif mode == "updates" and isinstance(part, dict):
            if not (part.get(_ABOUT) or {}).get("cached"):
                self._goes_on = False
            elif not self._goes_on:
                for name in part.keys() - {_ABOUT}:
                    for task in self._tasks.pop((place, name), ()):
                        self._found(name, task)
