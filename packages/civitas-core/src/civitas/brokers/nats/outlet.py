"""`Outlet`: sends what has come together in one turn of the event loop, in one piece."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["Outlet"]

log = logging.getLogger("civitas.brokers")


class Outlet:
    """Sends over one connection after the other.

    Args:
        client: The connection; None while there is none. Whoever has something to send says so again when it is back.
        fill: Called in the turn after `wanted`, where there is a connection: puts into the list what is to be sent, as
            `publication` makes it, and returns whether there is more. It must bound what it puts there.
    """

    def __init__(
        self, client: Callable[[], QuickClient | None], fill: Callable[[list[bytes]], bool]
    ) -> None:
        self._client = client
        self._fill = fill
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Handle | None = None
        self._emptying: asyncio.Task[None] | None = None
        self._closed = False

    def wanted(self) -> None:
        """There is something to send."""
        if self._turn is None and self._emptying is None and not self._closed:
            self._turn = self._loop.call_soon(self._send)

    async def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        if self._turn is not None:
            self._turn.cancel()
        emptying, self._emptying = self._emptying, None
        if emptying is not None:
            emptying.cancel()
            await asyncio.wait({emptying})

    def _send(self) -> None:
        self._turn = None
        client = self._client()
        if client is None:
            return
        publications: list[bytes] = []
        more = self._fill(publications)
        if publications:
            try:
                client.write(b"".join(publications))
            except Exception as error:
                log.debug("nats: %s", error)  # nobody will hear that it arrived
        if client.is_full:
            self._emptying = self._loop.create_task(self._wait(client))
        elif more:
            self.wanted()

    async def _wait(self, client: QuickClient) -> None:
        with suppress(Exception):  # the connection is lost
            await client.emptied()
        self._emptying = None
        self.wanted()
