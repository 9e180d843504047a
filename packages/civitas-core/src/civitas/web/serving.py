"""`Web`: serves the page of a running system."""

from __future__ import annotations

import asyncio
import socket
from contextlib import nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    from civitas.web.feed import Reach

__all__ = ["Web", "check_extra"]

_LET_GO = 2


def check_extra() -> None:
    """Look whether what the page needs is installed.

    Raises:
        ConfigurationError: It is not.
    """
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise ConfigurationError(
            "the page needs starlette and uvicorn: pip install 'civitas-core[web]'"
        ) from error
    del starlette, uvicorn


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
        check_extra()
        from civitas.web.feed import Feed
        from civitas.web.guard import is_loopback

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
        import uvicorn

        from civitas.web.application import make_application

        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((self._host, self._port))
            self._socket.listen()  # from now on whoever comes waits, until it is served
        except OSError as error:
            self._socket.close()
            raise ConfigurationError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}; choose another --port"
            ) from error
        application = make_application(self._reach, self._feed, host=self._host, token=self._token)
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LET_GO,
        )
        self._server = uvicorn.Server(config)
        # Signals are the command's; uvicorn would take them from the whole process.
        self._server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
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
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._socket.getsockname()[1]}/"

    async def wait(self) -> None:
        """Wait until it ends, which by itself it does not."""
        await asyncio.shield(self._serving)
