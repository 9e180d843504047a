"""`TimersByRoot`: what the durable agents of a member send later, which the root keeps and sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from civitas.errors import NodeDown
from civitas.message import Message, dumps

__all__ = ["TimersByRoot"]

logger = logging.getLogger("civitas")


class TimersByRoot:
    """Has the root keep what is sent later: it is in the state store when a call has returned.

    Args:
        call_root: Lets the root do something, and waits for that.
        begin: Does something beside everything else.
    """

    def __init__(
        self,
        call_root: Callable[..., Awaitable[Any]],
        begin: Callable[[Coroutine[Any, Any, object]], asyncio.Future[Any]],
    ) -> None:
        self._call_root = call_root
        self._begin = begin

    def keep(self, id: str, message: Message, delay: float) -> _TimerByRoot:
        """Keep a message that is to be sent in `delay` seconds; see `TimerKeeper.keep`."""
        keeping = self._begin(
            self._call(message.sender, "keep_timer", id, bytes(dumps(message)), delay)
        )
        return _TimerByRoot(keeping, lambda: self._begin(self._cancel(keeping, message.sender, id)))

    async def _cancel(self, keeping: asyncio.Future[Any], agent: str | None, id: str) -> None:
        await asyncio.wait({keeping})
        await self._call(agent, "cancel_timer", id)

    async def _call(self, agent: str | None, what: str, *arguments: Any) -> None:
        try:
            await self._call_root(what, *arguments)
        except NodeDown:
            pass  # this process ends, and the message whose handler set it comes again
        except Exception:
            logger.exception(
                "agent %r: the root could not %s that it set with send_after",
                agent,
                what.replace("_", " a "),
            )


class _TimerByRoot:
    def __init__(
        self, writing: asyncio.Future[Any], cancel: Callable[[], asyncio.Future[Any]]
    ) -> None:
        self.writing = writing
        self._cancel = cancel

    def cancel(self) -> None:
        self.writing = self._cancel()
