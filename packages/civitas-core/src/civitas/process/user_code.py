"""Calling what the user wrote, and what to make of what comes out of it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context as ContextVariables
from typing import Any, TypeVar

from civitas.process.agent import AgentProcess, current_agent
from civitas.process.context import Context
from civitas.process.own_context import InContext
from civitas.tools.forked import Fork, unless_copied
from civitas.tools.threads import in_thread

__all__ = ["EVERYBODYS", "as_exception", "call", "is_async", "unless_dropped", "within"]

_Result = TypeVar("_Result")

EVERYBODYS = KeyboardInterrupt
"""All else that user code raises ends its agent alone, and is told.

`SystemExit`, for one: a library that calls `sys.exit()` in a tool must end its agent, not everybody's.
"""


async def call(node: Context, function: Callable[..., Any], *args: Any) -> Any:
    """Call what the user wrote: an `async def` here, a plain `def` in a thread of the runtime's pool."""
    if is_async(function):
        try:
            result = await function(*args)
        except BaseException as error:
            if Fork.happened:
                unless_copied(node.loop, error)
            raise
        if Fork.happened:
            unless_copied(node.loop)
        return result
    result = await in_thread(node.executor, function, *args)
    return await result if inspect.isawaitable(result) else result


def is_async(function: Callable[..., Any]) -> bool:
    """Whether it is an `async def`; `inspect` alone takes longer than a new incarnation may."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:
        return True
    return inspect.iscoroutinefunction(function)


def within(
    context: ContextVariables | None, coroutine: Coroutine[Any, Any, _Result]
) -> Awaitable[_Result]:
    """What to await so that `coroutine` runs in `context`, or in that of the task."""
    return coroutine if context is None else InContext(context, coroutine)


def unless_dropped(error: BaseException, agent: AgentProcess) -> None:
    """Raise `error` again where Python throws away the coroutine that runs this; a handler may raise the same."""
    if isinstance(error, GeneratorExit) and current_agent.get(None) is not agent:
        raise error


def as_exception(error: BaseException) -> Exception:
    """What a future may carry: SystemExit and CancelledError would end more than their agent."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
