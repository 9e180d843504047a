"""`HttpEdge`: serves HTTP in the event loop of the system."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from civitas.edge.http.behind import Behind
from civitas.edge.http.options import HttpOptions
from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn

    from civitas.edge.http.gate import Gate
    from civitas.edge.http.recording import Recordings
    from civitas.process import Messenger

__all__ = ["HttpEdge"]

log = logging.getLogger("civitas.edge")

_LAST_WORDS = 5
"""Seconds for the last parts of answers, when the system ends."""
_BACKLOG = 2048


class HttpEdge:
    """The HTTP edge of a system.

    Args:
        options: How it is opened.
        system: Name of the system.

    Raises:
        ConfigurationError: The extra `web` is not installed.
    """

    def __init__(self, options: HttpOptions, system: str = "civitas") -> None:
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as error:
            raise ConfigurationError(
                f"edge.http needs {error.name}; install it with: pip install 'civitas-core[web]'"
            ) from error
        self.options = options
        self.system = system
        self.port = options.port
        self._gate: Gate | None = None
        self._recordings: Recordings | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{self.port}"

    async def open(self, agents: Messenger) -> None:
        """Let callers in; see `Edge.open`."""
        from civitas.edge.http.app import make_app
        from civitas.edge.http.gate import Gate
        from civitas.edge.http.recording import Recordings

        listener = self._listen()
        self.port = listener.getsockname()[1]
        # What a runtime hands to its edges is itself.
        recordings = self._recordings = Recordings()
        app = make_app(cast("Behind", agents), self.system, recordings)
        self._gate = Gate(app, self.options)
        self._server = _server(self._gate, self.options)
        serving = self._server.serve(sockets=[listener])
        self._serving = asyncio.get_running_loop().create_task(serving, name="civitas:edge:http")
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0)
        log.info("the edge of %r is at %s", self.system, self.url)

    def _listen(self) -> socket.socket:
        host, port = self.options.host, self.options.port
        listener = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            # Named, as asyncio sends small parts at once only on sockets that say they are of TCP.
            listener = socket.socket(found[0], socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(found[4])
            listener.listen(_BACKLOG)
        except OSError as error:
            if listener is not None:
                listener.close()
            raise ConfigurationError(
                f"edge.http cannot listen at {host}:{port}: {error.strerror or error}. "
                "Choose another port, or end whoever has it"
            ) from error
        return listener

    async def close_door(self) -> None:
        """Take nothing more, and be not ready; see `Edge.close_door`."""
        if self._gate is not None:
            self._gate.closing = True

    async def close(self) -> None:
        """End it; see `Edge.close`."""
        await self.close_door()
        serving, self._serving = self._serving, None
        if self._server is None or serving is None:
            return
        assert self._recordings is not None  # it is open
        await self._recordings.close()
        self._server.should_exit = True
        await asyncio.wait({serving})
        self._server = None


def _server(gate: Gate, options: HttpOptions) -> uvicorn.Server:
    import uvicorn

    from civitas.edge.http.connections import patient

    class Server(uvicorn.Server):
        """One whose signals are the program's."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        gate,
        http=patient(options.patience),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=max(1, round(options.patience)),
        timeout_graceful_shutdown=_LAST_WORDS,
    )
    return Server(config)
