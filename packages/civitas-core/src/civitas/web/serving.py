"""`Web`: serves the page of a running system."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

from civitas.edge.http.options import is_loopback
from civitas.edge.http.serving import check_extra, listen, server_of, url_of
from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from civitas.web.feed import Reach

__all__ = ["Web"]

_LET_GO = 2


class Web:
    """Serves the page of a running system; an async context manager.

    Args:
        reach: Finds the system; called again and again, so that the page outlives it.
        host: Where it listens.
        port: The port; 0 takes a free one.
        token: What whoever acts must know; needed off loopback, where it is asked of readers, too.

    Raises:
        ConfigurationError: The extra ``[web]`` is not installed, off loopback there is no token, or, on entering, the
            port is taken.
    """

    def __init__(
        self, reach: Reach, *, host: str = "127.0.0.1", port: int = 8600, token: str | None = None
    ) -> None:
        check_extra("the page")
        from civitas.web.feed import Feed

        if token is not None and not token:
            raise ConfigurationError("the token is empty; give it some characters, or none at all")
        if token is None and not is_loopback(host):
            raise ConfigurationError(
                f"{host!r} can be reached from other machines: give a token, or serve on 127.0.0.1"
            )
        self._reach = reach
        self._host = host
        self._port = port
        self._token = token
        self._feed = Feed(reach)

    async def __aenter__(self) -> Self:
        from civitas.web.application import make_application

        self._socket = listen("the page", self._host, self._port)
        application = make_application(self._reach, self._feed, host=self._host, token=self._token)
        self._server = server_of(application, timeout_graceful_shutdown=_LET_GO)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        await self._feed.close()
        await self._serving
        self._socket.close()

    @property
    def url(self) -> str:
        """Where to open it."""
        return f"{url_of(self._host, self._socket.getsockname()[1])}/"

    async def wait(self) -> None:
        """Wait until it ends, which by itself it does not."""
        await asyncio.shield(self._serving)
