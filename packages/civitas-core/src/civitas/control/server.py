"""The running system's side of the control socket."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from civitas.control import protocol
from civitas.errors import CivitasError, ConfigurationError, HandlerFailed, PayloadError
from civitas.launch import keep_from_children, let_go
from civitas.runtime import Runtime
from civitas.topology.place import check_state_folder, socket_of

__all__ = ["ControlServer"]

logger = logging.getLogger("civitas")


class ControlServer:
    """Lets this machine's owner ask and send into a running system; an async context manager.

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
        self._operations: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "ask": self._ask,
            "send": self._send,
            "tree": self._tree,
        }

    async def __aenter__(self) -> Self:
        check_state_folder(self._folder)
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
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            for listening in self._server.sockets:
                let_go(listening.fileno())
            self._server.close()
        for task in self._clients:
            task.cancel()
        if self._clients:
            await asyncio.wait(self._clients)
        with suppress(FileNotFoundError):
            path = socket_of(self._folder)
            if self._socket is not None and os.path.samestat(path.stat(), self._socket):
                path.unlink()  # otherwise it is that of a process that runs the system now

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
                await _write(writer, _refusal(error))
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

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = self._operations.get(str(request.get("op")))
        try:
            if operation is None:
                known = ", ".join(self._operations)
                raise ConfigurationError(
                    f"this system does not know {request.get('op')!r}, only {known}; "
                    "is the command line a different version?"
                )
            return {"ok": await operation(request)}
        except CivitasError as error:
            return _refusal(error)
        except Exception as error:
            logger.exception("control socket: a request could not be carried out")
            return _refusal(ConfigurationError(f"the request failed: {error!r}"))

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        to, payload = _addressed(request)
        reply = await self._runtime.ask(to, payload, **_options(request))
        return {
            "sender": reply.sender,
            "type": reply.type,
            "payload": reply.payload,
            "conversation": reply.conversation,
        }

    async def _send(self, request: dict[str, Any]) -> None:
        to, payload = _addressed(request)
        await self._runtime.send(to, payload, **_options(request))

    async def _tree(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._runtime.tree()


def _addressed(request: dict[str, Any]) -> tuple[str, Any]:
    """The recipient of a request, and its payload.

    Raises:
        ConfigurationError: It does not say, or not in text.
    """
    for key in ("to", "payload"):
        if key not in request:
            raise ConfigurationError(f"the request has no {key!r}")
    to = request["to"]
    if not isinstance(to, str):
        raise ConfigurationError(f"'to' must be the name of an agent, as text; got {to!r}")
    return to, request["payload"]


def _options(request: dict[str, Any]) -> dict[str, Any]:
    """The other options of a request; the runtime checks them."""
    return {
        "message_type": request.get("type", "message"),
        "timeout": request.get("timeout", 30.0),
        "conversation": request.get("conversation"),
    }


async def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    try:
        await protocol.write(writer, answer)
    except PayloadError as error:  # a reply just below the limit, and the frame around it
        await protocol.write(writer, _refusal(error))


def _refusal(error: CivitasError) -> dict[str, Any]:
    trace = error.remote_traceback if isinstance(error, HandlerFailed) else ""
    return {"error": type(error).__name__, "message": str(error), "traceback": trace}
