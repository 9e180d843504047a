"""Work for a caller that may leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from starlette.requests import Request

__all__ = ["CallerLeft", "first_of", "unless_left"]

_QUICK = 0.05
"""Seconds of work that is not worth a look at whether the caller is still there."""

T = TypeVar("T")


class CallerLeft(Exception):
    """Whoever asked has left, and nobody reads the answer."""


async def unless_left(request: Request, work: Awaitable[T]) -> T:
    """Do the work, and end it when the caller leaves before it is done.

    Raises:
        CallerLeft: That happened.
    """
    watch = _Leaving(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.left:
            watch.task.uncancel()
            raise CallerLeft from None
        raise
    finally:
        await watch.end()


async def first_of(request: Request, parts: AsyncGenerator[T, None], default: T | None = None) -> T:
    """The first of what is to be streamed, so that a failure before it has a status of its own; `default` for none.

    Raises:
        CallerLeft: The caller has left before it came.
    """
    try:
        first = anext(parts) if default is None else anext(parts, default)
        return await unless_left(request, first)
    except BaseException:
        await parts.aclose()
        raise


class _Leaving:
    """Cancels the current task when the caller leaves."""

    def __init__(self, request: Request) -> None:
        task = asyncio.current_task()
        assert task is not None  # a request is served by one
        self.task = task
        self.left = False
        self._request = request
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_QUICK, self._begin)

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self.task.cancel()

    async def end(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._watching is not None and not self._watching.done():
            self._watching.cancel()
            await asyncio.wait({self._watching})
