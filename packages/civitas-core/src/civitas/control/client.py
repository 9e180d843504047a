"""The side of the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from civitas import errors
from civitas.control import frames
from civitas.control.place import socket_of
from civitas.errors import CivitasError, ConfigurationError

__all__ = ["ControlClient", "RemoteError"]


class RemoteError(CivitasError):
    """The running system refused a request, or could not carry it out.

    Attributes:
        error_type: Class name of the error there, such as ``UnknownAgent``.
    """

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type = error_type
        super().__init__(message)


class ControlClient:
    """Talks to a running system; an async context manager.

    Args:
        name: Of the system.
        folder: Its state folder.

    Raises:
        ConfigurationError: On entering: the system does not run here.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(socket_of(self._folder))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ConfigurationError(
                f"system {self._name!r} does not run here; start it with `civitas run`"
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"system {self._name!r} cannot be reached at {socket_of(self._folder)}: {error.strerror}"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def request(self, operation: str, **arguments: Any) -> Any:
        """Let the system do something.

        Raises:
            RemoteError: It refused, or could not.
            NodeDown: It stopped before it answered.
        """
        await frames.write(self._writer, {"op": operation, **arguments})
        try:
            answer = await frames.read(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            to = str(arguments.get("to", self._name))
            raise errors.NodeDown(to, "root", "the system stopped") from error
        if "error" in answer:
            raise RemoteError(answer["error"], answer["message"])
        return answer["ok"]
