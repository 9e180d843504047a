"""Awaiting in a context of its own: what runs there sets context variables for itself alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

__all__ = ["InContext", "differs"]

_Result = TypeVar("_Result")


class InContext(Generic[_Result]):
    """Await a coroutine in a context, and in the same task: cancellation, timeouts and `current_task` are as ever.

    Args:
        context: Where each of its steps runs.
        coroutine: What to await.
    """

    __slots__ = ("_context", "_coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, _Result]) -> None:
        self._context = context
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, _Result]:
        run, coroutine = self._context.run, self._coroutine
        step: Callable[[Any], Any] = coroutine.send
        value: Any = None
        try:
            while True:
                try:
                    waits_for = run(step, value)
                except StopIteration as done:
                    result: _Result = done.value
                    return result
                try:
                    value = yield waits_for
                    step = coroutine.send
                except GeneratorExit:
                    raise  # Python throws it away; that is nothing its own code did
                except BaseException as error:
                    value, step = error, coroutine.throw
        finally:
            value = None  # else an error and this frame keep each other alive
            coroutine.close()


def differs(before: Context, after: Context) -> bool:
    """Whether a context variable has another value."""
    try:
        return before != after
    except Exception:  # values are compared if they are not the same object, and some cannot be
        return True
