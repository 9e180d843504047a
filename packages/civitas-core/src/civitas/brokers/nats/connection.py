"""`Connection`: one connection to a NATS server, which comes back however often and however long the server is away."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from civitas.brokers.nats.options import NatsOptions
from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from civitas.brokers.nats.quick import QuickClient

__all__ = ["Connection"]

log = logging.getLogger("civitas.brokers")

_PAUSE = 0.2
"""Seconds between two tries to connect."""
_ONE_TRY = 2
"""Seconds that a try may take."""
_SAY_AFTER = 2.0
"""Seconds after which it is said that the first connection is waited for."""
_FLUSH = 2.0
"""Seconds after which whoever sends is not held up any longer by what waits to be sent."""
_REFUSED = ("authorization violation", "authentication", "account")


class Connection:
    """Holds a client of nats-py, and another one where that has closed itself for good.

    Args:
        options: How to reach the server.
        name: What the server shows for this connection.
        inbox: Prefix of the subjects at which answers arrive.
        subscribe: Makes the subscriptions of a client that is new. After a mere reconnect they are still there.
        up: Called each time that there is a connection.
        down: Called each time that it is gone.
        heard: Called with each error that the server, or the client, reports.
        silence: Seconds after which a server that says nothing is taken for gone.
        keeps_unsent: Whether what was not sent when the connection was lost is sent over the next one; otherwise there
            is a new client each time, and whoever sends starts over.
    """

    def __init__(
        self,
        options: NatsOptions,
        *,
        name: str,
        inbox: str,
        subscribe: Callable[[QuickClient], Awaitable[None]],
        up: Callable[[], None],
        down: Callable[[], None],
        heard: Callable[[Exception], None] | None = None,
        silence: float = 6.0,
        keeps_unsent: bool = True,
    ) -> None:
        self._options = options
        self._settings: dict[str, Any] = {
            "name": name,
            "inbox_prefix": inbox,
            "ping_interval": silence / 3,
            "max_outstanding_pings": 2,
            "reconnect_time_wait": _PAUSE,
            "max_reconnect_attempts": -1,
            "allow_reconnect": keeps_unsent,
            "connect_timeout": _ONE_TRY,
            "flush_timeout": _FLUSH,
        }
        self._subscribe = subscribe
        self._up = up
        self._down = down
        self._heard = heard
        self._client: QuickClient | None = None
        self._over = False
        self._again: asyncio.Task[None] | None = None

    @property
    def client(self) -> QuickClient | None:
        """The client; None while there is no connection."""
        client = self._client
        return client if client is not None and client.is_connected else None

    async def open(self, patience: float | None) -> None:
        """Connect for the first time.

        Args:
            patience: Seconds to wait for a server that cannot be reached; None waits for ever.

        Raises:
            ConfigurationError: It cannot be reached, or lets nobody in who shows what the options say.
        """
        clock = asyncio.get_running_loop().time
        ends = None if patience is None else clock() + patience
        while True:
            rest = None if ends is None else max(0.0, ends - clock())
            try:
                self._client = await self._connected(rest)
            except ConfigurationError:
                raise
            except Exception as error:  # a client that is not to reconnect makes but one try
                if ends is not None and clock() + _PAUSE > ends:
                    raise ConfigurationError(self._nobody(error)) from error
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def close(self) -> None:
        """End it. May be called twice, and without `open`."""
        self._over = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait({self._again})
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self, patience: float | None) -> QuickClient:
        keywords = self._options.keywords()
        from civitas.brokers.nats.parts import check_parts
        from civitas.brokers.nats.quick import QuickClient

        check_parts()
        client = QuickClient()
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        last: list[Exception] = []

        async def failed(error: Exception) -> None:
            last[:] = [error]
            log.debug("nats: %s: %s", self._options.where, error)
            if self._heard is not None:
                self._heard(error)
            if client is not self._client and not refused.done() and (why := _refusal(error)):
                refused.set_result(why)

        async def reconnected() -> None:
            self._up()

        async def disconnected() -> None:
            if not self._over:
                self._down()

        async def ending() -> None:
            log.warning(
                "the NATS server at %s is about to shut down (lame duck mode); another one of its cluster takes over, "
                "or it is waited for",
                self._options.where,
            )

        async def closed() -> None:
            if not self._over and client is self._client:
                # A client that the server sent an error may close itself instead of connecting again.
                self._client = None
                self._down()
                self._again = asyncio.get_running_loop().create_task(self._begin_again())

        connecting = asyncio.ensure_future(
            client.connect(
                **keywords,
                **self._settings,
                error_cb=failed,
                reconnected_cb=reconnected,
                disconnected_cb=disconnected,
                closed_cb=closed,
                lame_duck_mode_cb=ending,
            )
        )
        try:
            waiting: set[asyncio.Future[Any]] = {connecting, refused}
            first = _SAY_AFTER if patience is None else min(_SAY_AFTER, patience)
            done, _ = await asyncio.wait(
                waiting, timeout=first, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                log.warning("waiting for the NATS server at %s", self._options.where)
                rest = None if patience is None else max(0.0, patience - first)
                await asyncio.wait(waiting, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            if refused.done():
                raise ConfigurationError(
                    f"the NATS server at {self._options.where} does not let this process in: {refused.result()}"
                )
            if not connecting.done():
                raise ConfigurationError(self._nobody(last[0] if last else ""))
            connecting.result()
            await self._subscribe(client)
            await client.flush(_ONE_TRY)
        except BaseException:
            connecting.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await connecting
            await client.close()
            raise
        self._up()
        return client

    def _nobody(self, why: object) -> str:
        said = f": {why}" if str(why) else ""
        return f"there is no NATS server at {self._options.where}{said}; start it, or correct 'servers'"

    async def _begin_again(self) -> None:
        while not self._over:
            try:
                self._client = await self._connected(None)
            except ConfigurationError as error:
                log.warning("nats: %s", error)
                await asyncio.sleep(_ONE_TRY)
            except Exception as error:
                log.debug("nats: %s", error)
                await asyncio.sleep(_PAUSE)
            else:
                return


def _refusal(error: Exception) -> str:
    """Why the server will not let this process in, however often it tries; empty if it may yet."""
    text = str(error).removeprefix("nats: ").strip("'")
    if isinstance(error, ssl.SSLError) or any(word in text.lower() for word in _REFUSED):
        return text
    return ""
