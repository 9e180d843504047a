"""What a user's function builds, and how that is closed again."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Any, Protocol

from civitas.errors import ConfigurationError

__all__ = ["Opened", "Owner", "Resources", "is_tried_out", "needs_a_loop"]

logger = logging.getLogger("civitas")

is_tried_out: ContextVar[bool] = ContextVar("civitas_is_tried_out", default=False)
"""Whether code that builds something is called to see whether it can, and no system runs."""


class Opened:
    """What one call of a function built, or what was there and needs no closing.

    Args:
        value: It.
    """

    def __init__(self, value: Any = None) -> None:
        self.value = value
        self._stack = AsyncExitStack()

    async def build(self, function: Callable[[], Any], what: str) -> None:
        """Call `function` and enter what it returns; see `Resources.open`."""
        value = function()
        if inspect.isawaitable(value):
            value = await value
        if inspect.isasyncgen(value) or inspect.isgenerator(value):
            kind = "asynccontextmanager" if inspect.isasyncgen(value) else "contextmanager"
            raise ConfigurationError(
                f"{what} is a generator, since it has a `yield`; put @contextlib.{kind} above it"
            )
        if isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
            value, closer = value
            self._stack.push_async_callback(_close_with, closer)
        elif hasattr(type(value), "__aenter__"):
            value = await self._stack.enter_async_context(value)
        elif hasattr(type(value), "__enter__"):
            value = self._stack.enter_context(value)
        self.value = value

    def also_close(self, closer: Callable[[], Any]) -> None:
        """Call `closer`, sync or async, when this is closed."""
        self._stack.push_async_callback(_close_with, closer)

    async def close(self) -> None:
        """Leave the context, or call the closer; does nothing the second time."""
        await self._stack.aclose()


class Resources:
    """What was opened in one task, to be closed there.

    Context managers want that: an `anyio` scope, such as the client of an MCP server has, ends only where it began.
    """

    def __init__(self) -> None:
        self._open: list[Opened] = []

    async def open(self, function: Callable[[], Any], what: str) -> Opened:
        """Call a function without arguments that builds something.

        It may return what it built, or, if that is to be closed, a context manager, sync or async, or
        ``(object, closer)`` with a closer, sync or async, without arguments; an ``async def`` is awaited.

        Args:
            function: What to call.
            what: What it is, for an error.

        Raises:
            ConfigurationError: It is a generator, which was meant to be a context manager.
            BaseException: Whatever it raises.
        """
        opened = Opened()
        await opened.build(function, what)
        self._open.append(opened)
        return opened

    async def close(self, opened: Opened) -> None:
        """Close one of them before the others."""
        if opened in self._open:
            self._open.remove(opened)
            await opened.close()

    async def close_all(self, who: str) -> None:
        """Close what is open, the last first; one that fails is logged, and the others are closed all the same."""
        while self._open:
            try:
                await self._open.pop().close()
            except Exception:
                logger.exception("%s: what it had opened could not be closed", who)


async def close_in_time(resources: Resources | None, who: str, seconds: float | None) -> bool:
    """Close what is open, if anything is; False if this was cancelled meanwhile."""
    if resources is None:
        return True
    try:
        async with asyncio.timeout(seconds):
            await resources.close_all(who)
    except asyncio.CancelledError:
        return False
    except TimeoutError:
        logger.exception("%s: what it had opened could not be closed in time", who)
    return True


class Owner(Protocol):
    """Whose end closes what was opened: an incarnation, or a trial."""

    @property
    def resources(self) -> Resources:
        """What it opened."""


async def _close_with(closer: Callable[[], Any]) -> None:
    result = closer()
    if inspect.isawaitable(result):
        await result


def needs_a_loop(error: BaseException) -> bool:
    """Whether `error` is what asyncio raises where code wants a running event loop, and none runs."""
    return isinstance(error, RuntimeError) and "event loop" in str(error)
