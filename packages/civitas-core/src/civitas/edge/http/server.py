"""`HttpEdge`: serves HTTP in the event loop of the system."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, cast

from civitas.edge.http.behind import Behind
from civitas.edge.http.options import HttpOptions
from civitas.edge.http.serving import check_extra, listen, server_of, url_of

if TYPE_CHECKING:
    import uvicorn

    from civitas.edge.http.gate import Gate
    from civitas.edge.http.recording import Recordings
    from civitas.process import Messenger

__all__ = ["HttpEdge"]

log = logging.getLogger("civitas.edge")

_LAST_WORDS = 5
"""Seconds for the last parts of answers, when the system ends."""


class HttpEdge:
    """The HTTP edge of a system.

    Args:
        options: How it is opened.
        system: Name of the system.

    Raises:
        ConfigurationError: The extra `web` is not installed.
    """

    def __init__(self, options: HttpOptions, system: str = "civitas") -> None:
        check_extra("edge.http")
        self.options = options
        self.system = system
        self.port = options.port
        self._gate: Gate | None = None
        self._recordings: Recordings | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.listener: socket.socket | None = None
        """See `PassesOn.listener`."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return url_of(self.options.host, self.port)

    async def open(self, agents: Messenger) -> None:
        """Let callers in; see `Edge.open`."""
        from civitas.edge.http.app import make_app
        from civitas.edge.http.connections import patient
        from civitas.edge.http.gate import Gate
        from civitas.edge.http.recording import Recordings

        listener = self.listener or listen("edge.http", self.options.host, self.options.port)
        self.listener = listener.dup()  # it goes on listening where the server does not
        self.port = listener.getsockname()[1]
        # What a runtime hands to its edges is itself.
        recordings = self._recordings = Recordings()
        app = make_app(cast("Behind", agents), self.system, recordings)
        self._gate = Gate(app, self.options)
        patience = self.options.patience
        self._server = server_of(
            self._gate,
            http=patient(patience),
            timeout_keep_alive=max(1, round(patience)),
            timeout_graceful_shutdown=_LAST_WORDS,
        )
        serving = self._server.serve(sockets=[listener])
        self._serving = asyncio.get_running_loop().create_task(serving, name="civitas:edge:http")
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0)
        log.info("the edge of %r is at %s", self.system, self.url)

    async def close_door(self) -> None:
        """Take nothing more, and be not ready; see `Edge.close_door`."""
        if self._gate is not None:
            self._gate.closing = True

    def let_go(self) -> None:
        """Accept nobody any more; see `PassesOn.let_go`."""
        from civitas.edge.http.successor import Successor

        if self._gate is not None:
            self._gate.successor = Successor(self.options.host, self.port, self.options.patience)
        self._accept_nobody()

    def free_address(self) -> None:
        """See `PassesOn.free_address`."""
        self._accept_nobody()
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.close()

    def _accept_nobody(self) -> None:
        for server in self._server.servers if self._server is not None else ():
            server.close()

    async def handed_on(self) -> None:
        """See `PassesOn.handed_on`."""
        if self._gate is not None and self._gate.successor is not None:
            await self._gate.successor.finished()

    def leave(self) -> None:
        """See `PassesOn.leave`."""
        if self._gate is not None and self._gate.successor is not None:
            self._gate.successor.leave()

    async def close(self) -> None:
        """End it; see `Edge.close`."""
        await self.close_door()
        self.free_address()
        serving, self._serving = self._serving, None
        if self._server is None or serving is None:
            return
        assert self._recordings is not None  # it is open
        await self._recordings.close()
        self._server.should_exit = True
        await asyncio.wait({serving})
        self._server = None
