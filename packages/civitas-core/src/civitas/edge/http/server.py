"""`HttpEdge`: serves HTTP in the event loop of the system."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from civitas.edge import FindEdge
from civitas.edge.http.options import HttpOptions
from civitas.edge.http.served_system import ServedSystem
from civitas.edge.http.serving import check_extra, listen, server_of, url_of
from civitas.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn

    from civitas.edge.http.ahead import Ahead
    from civitas.edge.http.gate import Gate
    from civitas.edge.http.recording import Recordings
    from civitas.process import Messenger

__all__ = ["HttpEdge"]

log = logging.getLogger("civitas.edge")

_LOOK = 0.02
"""Seconds between two looks whether a port is free, or who leads."""
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
        self._ahead: Ahead | None = None
        self._waits_for_port = False
        """Whether another program of this machine has its port, and leaves it when this one leads."""
        self._makes_room: asyncio.Task[None] | None = None
        self._recordings: Recordings | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.listener: socket.socket | None = None
        """See `PassesOn.listener`."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return url_of(self.options.host, self.port)

    @property
    def reached_at(self) -> Mapping[str, Any]:
        """See `StandsBy.reached_at`."""
        from civitas.edge.http.ahead import reached_at

        is_open = self._gate is not None and self._gate.successor is None
        return reached_at(self.options.host, self.port, is_open=is_open)

    async def open(self, agents: Messenger) -> None:
        """Let callers in; see `Edge.open`."""
        from civitas.edge.http.app import make_app
        from civitas.edge.http.gate import Gate
        from civitas.edge.http.recording import Recordings

        # What a runtime hands to its edges is itself.
        recordings = self._recordings = Recordings()
        app = make_app(cast("ServedSystem", agents), self.system, recordings)
        if self._gate is None:
            listener = await self._listen()
            await self._serve(listener, Gate(app, self.options))
        elif self._ahead is not None:
            self._gate.answers(app)
            self._ahead.is_here(self.options.host, self.port)  # for those that wait already
        log.info("the edge of %r is at %s", self.system, self.url)

    async def stand_by(self, find: FindEdge) -> str:
        """Let callers in, and have the program that leads answer them; see `StandsBy.stand_by`."""
        from civitas.edge.http.ahead import Ahead
        from civitas.edge.http.gate import Gate
        from civitas.edge.http.standing_by import OWN_PATHS, StandingBy
        from civitas.edge.http.successor import Successor

        try:
            listener = self._listener()
        except ConfigurationError as error:
            log.info("this root stands by, and its edge does not listen yet: %s", error)
            self.wait_for_address()
            return ""
        ahead = self._ahead = Ahead(find)
        gate = Gate(StandingBy(ahead), self.options)
        gate.hands_on(Successor(ahead.connect, self.options.patience, ends=False), OWN_PATHS)
        await self._serve(listener, gate)
        return self.url

    def wait_for_address(self) -> None:
        """See `StandsBy.wait_for_address`."""
        self._waits_for_port = True

    def follow(self, find: FindEdge) -> None:
        """Have the program answer that leads next; see `StandsBy.follow`."""
        from civitas.edge.http.ahead import Ahead
        from civitas.edge.http.successor import Successor

        if self._gate is not None:
            self._gate.hands_on(Successor(Ahead(find).connect, self.options.patience))
            self._makes_room = asyncio.get_running_loop().create_task(self._make_room(find))

    async def _make_room(self, find: FindEdge) -> None:
        """Leave the port if the next program listens at the same one of this machine."""
        from civitas.edge.http.ahead import is_of_here

        while not (where := await find()):
            await asyncio.sleep(_LOOK)
        if is_of_here(where) and where.get("port") == self.port:
            self.free_address()

    def _listener(self) -> socket.socket:
        listener = self.listener or listen("edge.http", self.options.host, self.options.port)
        self.listener = listener.dup()  # it goes on listening where the server does not
        self.port = listener.getsockname()[1]
        return listener

    async def _listen(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        until = loop.time() + (self.options.patience if self._waits_for_port else 0)
        while True:
            try:
                return self._listener()
            except ConfigurationError:
                if loop.time() >= until:
                    raise
            await asyncio.sleep(_LOOK)

    async def _serve(self, listener: socket.socket, gate: Gate) -> None:
        from civitas.edge.http.connections import patient

        self._gate = gate
        patience = self.options.patience
        server = self._server = server_of(
            gate,
            http=patient(patience),
            timeout_keep_alive=max(1, round(patience)),
            timeout_graceful_shutdown=_LAST_WORDS,
        )
        serving = server.serve(sockets=[listener])
        self._serving = asyncio.get_running_loop().create_task(serving, name="civitas:edge:http")
        while not server.started and not self._serving.done():
            await asyncio.sleep(0)

    async def close_door(self) -> None:
        """Take nothing more, and be not ready; see `Edge.close_door`."""
        if self._gate is not None:
            self._gate.closing = True

    def let_go(self) -> None:
        """Accept nobody any more; see `PassesOn.let_go`."""
        from civitas.edge.http.successor import Successor, at

        if self._gate is not None:
            where = at(self.options.host, self.port)
            self._gate.hands_on(Successor(where, self.options.patience))
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
        makes_room, self._makes_room = self._makes_room, None
        if makes_room is not None:
            makes_room.cancel()
            await asyncio.wait({makes_room})
        self.free_address()
        serving, self._serving = self._serving, None
        self._gate, self._ahead, self._waits_for_port = None, None, False
        if self._server is None or serving is None:
            return
        if self._recordings is not None:
            await self._recordings.close()
        self._server.should_exit = True
        await asyncio.wait({serving})
        self._server = None
