"""The side of the running system."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from civitas.control import frames
from civitas.control.place import open_state_folder, socket_of
from civitas.errors import CivitasError, ConfigurationError
from civitas.runtime import Runtime

__all__ = ["ControlServer"]

logger = logging.getLogger("civitas")


class ControlServer:
    """Lets this machine's owner ask and send into a running system; an async context manager.

    A lock in the state folder says that the system runs, and which process it is. The system that holds it is the only
    one; it is free again as soon as that process is gone, however it ended.

    Args:
        runtime: The system.
        folder: Its state folder.

    Raises:
        ConfigurationError: On entering: the system runs already, or the folder is somebody else's.
    """

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self._runtime = runtime
        self._folder = folder
        self._lock: IO[str] | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._operations: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
            "ask": self._ask,
            "send": self._send,
            "tree": self._tree,
        }

    async def __aenter__(self) -> Self:
        open_state_folder(self._folder)
        self._take_lock()
        try:
            path = socket_of(self._folder)
            path.unlink(missing_ok=True)  # of a process that was killed
            self._server = await asyncio.start_unix_server(self._connected, path)
            path.chmod(0o600)
        except BaseException:
            self._release_lock()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._clients:
            task.cancel()
        if self._clients:
            await asyncio.wait(self._clients)
        socket_of(self._folder).unlink(missing_ok=True)
        self._release_lock()

    def _take_lock(self) -> None:
        lock = (self._folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            lock.close()
            raise ConfigurationError(
                f"system {self._runtime.name!r} runs already (process {pid}); stop that first"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    request = await frames.read(reader)
                    await frames.write(writer, await self._answer(request))
        except asyncio.CancelledError:
            pass  # the system stops; the client sees the end of the connection
        except ConfigurationError as error:
            logger.warning("control socket: %s", error)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = self._operations.get(str(request.get("op")))
        try:
            if operation is None:
                known = ", ".join(self._operations)
                raise ConfigurationError(
                    f"this system knows no {request.get('op')!r}, only {known}; "
                    "is the command line of another version?"
                )
            return {"ok": await operation(request)}
        except KeyError as error:
            return {"error": "ConfigurationError", "message": f"the request lacks {error}"}
        except CivitasError as error:
            return {"error": type(error).__name__, "message": str(error)}

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        reply = await self._runtime.ask(
            request["to"],
            request.get("payload"),
            request.get("type", "message"),
            timeout=request.get("timeout", 30.0),
            conversation=request.get("conversation"),
        )
        return {
            "sender": reply.sender,
            "type": reply.type,
            "payload": reply.payload,
            "conversation": reply.conversation,
        }

    async def _send(self, request: dict[str, Any]) -> None:
        await self._runtime.send(
            request["to"],
            request.get("payload"),
            request.get("type", "message"),
            timeout=request.get("timeout", 30.0),
            conversation=request.get("conversation"),
        )

    async def _tree(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._runtime.tree()
