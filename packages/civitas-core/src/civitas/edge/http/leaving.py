"""Work for a caller that may leave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

__all__ = ["CallerLeft", "unless_left"]

T = TypeVar("T")


class CallerLeft(Exception):
    """Whoever asked has left, and nobody reads the answer."""


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and end it when the caller leaves before it is done.

    Raises:
        CallerLeft: That happened.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise CallerLeft
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
