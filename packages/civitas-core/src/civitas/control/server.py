"""The running system's side of the control socket."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from civitas.control import protocol
from civitas.control.lock import lives
from civitas.control.marks import PASS_ON, PASSING
from civitas.control.operations import Operations, refusal_of, reply_as_plain
from civitas.control.passing import hand_sockets
from civitas.errors import ConfigurationError, DeliveryError, PayloadError
from civitas.launch import keep_from_children, let_go
from civitas.message import Message
from civitas.node.view import View
from civitas.node.window import Window
from civitas.runtime import Runtime
from civitas.topology.state_folder import check_state_folder, socket_of, window_of, windows_in

__all__ = ["ControlServer"]

logger = logging.getLogger("civitas")

_LAST_WORDS = 5.0
"""Seconds for the last answers to be written."""
_TO_GO = 1.5
"""Seconds for those who are connected to ask, and to hear that they are to come again."""
_TURNS = 3
"""Of the event loop, until whoever could connect has been let in."""


class ControlServer:
    """Lets this machine's owner ask and send into a running system; an async context manager.

    Whoever has the token of the system, and reaches its root over the transport, may do the same meanwhile.

    Whoever opens it holds the `SystemLock` of its folder: the socket of another process would be lost to it.

    Args:
        runtime: The system; it runs.
        folder: Its state folder.

    Raises:
        ConfigurationError: On entering: the folder is somebody else's, or no socket can be opened there.
    """

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self._runtime = runtime
        self._folder = folder
        self._server: asyncio.Server | None = None
        self._socket: os.stat_result | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._operations = Operations(runtime)
        self._answering: set[asyncio.Task[dict[str, Any]]] = set()
        self.successor: asyncio.Future[Any]
        """Where another version of this program wants its sockets, once it is ready to take over."""
        self._passed: asyncio.Future[bool]
        self._window = Window(runtime._node, window_of(folder, os.getpid()))

    async def __aenter__(self) -> Self:
        check_state_folder(self._folder)
        loop = asyncio.get_running_loop()
        self.successor, self._passed = loop.create_future(), loop.create_future()
        path = socket_of(self._folder)
        try:
            path.unlink(missing_ok=True)  # of a process that was killed
            self._server = await asyncio.start_unix_server(self._connected, path)
            path.chmod(0o600)
            self._socket = path.stat()
        except OSError as error:
            raise ConfigurationError(
                f"cannot open the control socket {path}: {error.strerror or error}"
            ) from error
        for listening in self._server.sockets:
            keep_from_children(listening.fileno())
        guests = getattr(self._runtime._node, "guests", None)  # nobody comes to a single process
        if guests is not None:
            guests.answers = self._answer_guest
            guests.let_look(View(self._runtime._node))
        self._runtime._overviews.windows = self._folder
        for window in windows_in(self._folder):
            if not lives(int(window.stem)):  # its process was killed
                window.unlink(missing_ok=True)
        self._window.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._window.__exit__()
        if self._server is not None:
            for listening in self._server.sockets:
                let_go(listening.fileno())
            self._server.close()
        for task in self._clients:
            task.cancel()
        if self._clients:
            await asyncio.wait(self._clients)
        self._operations.close()
        if not self._is_followed():
            socket_of(self._folder).unlink(missing_ok=True)

    def is_asked_to_pass_on(self) -> None:
        """Another version, which is elected once this one has ended, asks for that."""
        if not self.successor.done():
            self.successor.set_result(None)

    async def release(self, sockets: Sequence[socket.socket]) -> None:
        """Let the other version take over: it has the sockets, and whoever comes now comes to it."""
        with suppress(FileNotFoundError):
            socket_of(self._folder).unlink()
        for _ in range(_TURNS):  # those that were connecting are let in, and told to come again
            await asyncio.sleep(0)
        if self._server is not None:
            self._server.close()
        if not self._passed.done():
            self._passed.set_result(hand_sockets(self.successor.result(), sockets))

    async def answered(self, within: float = _LAST_WORDS) -> None:
        """Wait until those have their answers that were asking when the other version took over, and have gone.

        Args:
            within: Seconds for the answers.
        """
        if self._answering:
            await asyncio.wait(self._answering, timeout=within)
        if self._clients:
            await asyncio.wait(self._clients, timeout=_TO_GO)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("op") == PASS_ON:
            if self.successor.done():
                return refusal_of(ConfigurationError("another version is taking over already"))
            self.successor.set_result(request.get("sockets"))
            return {"ok": await self._passed}
        if (forward := self._runtime._node.next_program.forward) is not None:
            # Who stays connected is to be somewhere else when this program ends.
            return {PASSING: True} if self._is_followed() else await _next_answer(forward(request))
        if self.successor.done():
            return {PASSING: True}
        return await self._operations.answer(request)

    async def _answer_guest(
        self, request: dict[str, Any], noted: Callable[[str], object]
    ) -> dict[str, Any]:
        """Answer somebody who came over the transport; once this program passes on, the next one does."""
        node = self._runtime._node
        if self.successor.done() or node.next_program.forward is not None:
            await node.guests.passes.wait()  # type: ignore[attr-defined]
            return {PASSING: True}
        return await self._operations.answer(request, noted)

    def _is_followed(self) -> bool:
        """Whether another program serves this folder now."""
        try:
            there = socket_of(self._folder).stat()
        except OSError:
            return False
        return self._socket is None or not os.path.samestat(there, self._socket)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        descriptor = writer.get_extra_info("socket").fileno()
        keep_from_children(descriptor)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the system stops; the client sees the end of the connection
        except ConfigurationError as error:
            logger.warning("control socket: %s", error)
            with suppress(ConnectionError):
                await _write(writer, refusal_of(error))
        finally:
            self._clients.discard(task)
            let_go(descriptor)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another, until the client is gone: what it waited for is withdrawn then."""
        request = await protocol.read(reader)
        while True:
            following = asyncio.create_task(protocol.read(reader))
            answering = asyncio.create_task(self._answer(request))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            try:
                await asyncio.wait({following, answering}, return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    following.result()  # raises where the client is gone
                await _write(writer, await answering)
                request = await following
            finally:
                following.cancel()
                answering.cancel()
                await asyncio.gather(following, answering, return_exceptions=True)


async def _next_answer(forwarded: Awaitable[dict[str, Any] | Message]) -> dict[str, Any]:
    """What the program that leads next answers."""
    try:
        answer = await forwarded
    except DeliveryError as error:
        return refusal_of(error)
    return {"ok": reply_as_plain(answer)} if isinstance(answer, Message) else answer


async def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    try:
        await protocol.write(writer, answer)
    except PayloadError as error:  # a reply just below the limit, and the frame around it
        await protocol.write(writer, refusal_of(error))
