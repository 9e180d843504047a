"""A node of a graph with something around what it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["NotedRunnable"]


class NotedRunnable(Runnable[Any, Any]):
    """What a node runs, with something around it where that can be waited for.

    Args:
        name: Of the node.
        inner: What it runs.
        around: Runs that, with the arguments of `ainvoke`.
    """

    def __init__(self, name: str, inner: Any, around: Callable[..., Awaitable[Any]]) -> None:
        self.name = name
        self._inner = inner
        self._around = around

    def invoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, where nothing can be waited for."""
        return self._inner.invoke(input, config, **more)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **more: Any) -> Any:
        """What the node does, and what is around it."""
        return await self._around(input, config, **more)
