"""Blocking code in threads of the runtime."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from civitas.tools.forked import comes_back

__all__ = ["in_thread", "tool_threads"]

tool_threads: contextvars.ContextVar[Executor | None] = contextvars.ContextVar(
    "civitas_tool_threads", default=None
)
"""The runtime's threads for tools, where an agent's code runs; None, so asyncio's own, if none does."""


async def in_thread(
    executor: Executor | None,
    function: Callable[..., Any],
    *args: Any,
    context: contextvars.Context | None = None,
) -> Any:
    """Call a plain ``def`` in a thread, its context variables carried along, or in `context`."""
    context = contextvars.copy_context() if context is None else context
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(executor, context.run, _plain, function, *args)


def _plain(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return comes_back(function, *args)
    except StopIteration as error:  # no future carries it; as in a coroutine
        name = getattr(function, "__qualname__", repr(function))
        raise RuntimeError(f"{name} raised StopIteration") from error
