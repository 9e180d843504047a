"""LangGraph's `durability="sync"` for graphs that have no checkpoints."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from langgraph.pregel import _loop

__all__ = ["let_graphs_without_checkpoints_be_sync"]

_LAST_PUT = "_put_checkpoint_fut"


class _Made:
    """A checkpoint that is there."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield

    def result(self) -> None:
        pass


def let_graphs_without_checkpoints_be_sync() -> None:
    """Let a graph that was compiled with `checkpointer=False` run inside one that is durable.

    It takes the durability of the graph above over, and with ``"sync"`` LangGraph waits, after each step, for a
    checkpoint of it that nobody makes: an AttributeError. From now on it finds one that is made.
    """
    for name in ("SyncPregelLoop", "AsyncPregelLoop"):
        loop = getattr(_loop, name, None)
        if loop is not None and not hasattr(loop, _LAST_PUT):
            setattr(loop, _LAST_PUT, _Made())
