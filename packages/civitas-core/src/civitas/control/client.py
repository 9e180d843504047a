"""The command line's side of the control socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from civitas import errors
from civitas.control import protocol
from civitas.control.lock import holder
from civitas.control.marks import PASSING, is_passing
from civitas.errors import CivitasError, ConfigurationError
from civitas.topology.state_folder import check_state_folder, socket_of

__all__ = ["ControlClient", "NotAnswering", "NotRunning", "RemoteError", "result_of"]

_LOOK = 0.05
_PASSES_WITHIN = 60.0
"""Seconds for another version of the program to take over."""


class RemoteError(CivitasError):
    """The running system refused a request, or could not carry it out.

    Attributes:
        error_type: Class name of the error there, such as ``UnknownAgent``.
        traceback: The traceback of the handler that raised, as text; empty if it is something else.
    """

    def __init__(self, error_type: str, message: str, traceback: str = "") -> None:
        self.error_type = error_type
        self.traceback = traceback
        super().__init__(message)


class NotRunning(ConfigurationError):
    """The system does not run on this machine, or takes no requests at this moment.

    Attributes:
        pid: The process that is starting or stopping it; None if there is none.
    """

    def __init__(self, name: str, pid: int | None) -> None:
        self.pid = pid
        super().__init__(
            f"system {name!r} is starting or stopping at this moment (process {pid}); try again"
            if pid is not None
            else f"system {name!r} is not running here; start it with `civitas run`"
        )


class NotAnswering(CivitasError):
    """The system is running but did not answer: its event loop is stuck, or its process is stopped.

    Attributes:
        name: Of the system.
        seconds: How long it was waited for.
    """

    def __init__(self, name: str, seconds: float, who: str = "") -> None:
        self.name = name
        self.seconds = seconds
        super().__init__(
            f"system {name!r} is running but did not answer for {seconds:g} s: "
            f"{who or 'its event loop is stuck, or its process is stopped'}"
        )


class ControlClient:
    """Talks to a running system; an async context manager.

    Args:
        name: Of the system.
        folder: Its state folder.

    Raises:
        NotRunning: On entering: the system is not running here.
        ConfigurationError: On entering: the folder is somebody else's.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    async def __aenter__(self) -> Self:
        check_state_folder(self._folder)
        until = time.monotonic() + _PASSES_WITHIN
        try:
            while True:
                try:
                    path = socket_of(self._folder)
                    self._reader, self._writer = await asyncio.open_unix_connection(path)
                    break
                except (FileNotFoundError, ConnectionRefusedError) as error:
                    if not is_passing(self._folder) or time.monotonic() > until:
                        raise NotRunning(self._name, holder(self._folder)) from error
                    await asyncio.sleep(_LOOK)
        except OSError as error:
            raise ConfigurationError(
                f"system {self._name!r} cannot be reached at {socket_of(self._folder)}: {error.strerror or error}"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def request(
        self, operation: str, *, within: float | None = None, **arguments: Any
    ) -> Any:
        """Let the system do something.

        Args:
            operation: `ask`, `send`, `scale` or `tree`.
            within: Seconds to wait for its answer; None waits for ever. After that, this client cannot be used again.
            **arguments: Of the operation.
        Raises:
            RemoteError: It refused, or could not.
            NodeDown: It stopped before it answered.
            NotAnswering: No answer came in time.
        """
        try:
            async with asyncio.timeout(within):
                answer = await self._answer({"op": operation, **arguments})
        except TimeoutError:
            raise NotAnswering(self._name, within or 0.0) from None
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            to = str(arguments.get("to", self._name))
            advice = "Start the system again, then repeat the command"
            raise errors.NodeDown(to, "root", "the system stopped", advice=advice) from error
        return result_of(answer)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request: of the program that takes over, where the one that runs takes no more."""
        while True:
            await protocol.write(self._writer, request)
            answer = await protocol.read(self._reader)
            if not answer.get(PASSING):
                return answer
            self._writer.close()
            await asyncio.sleep(_LOOK)
            await self.__aenter__()


def result_of(answer: Mapping[str, Any]) -> Any:
    """What a running system answered.

    Raises:
        RemoteError: It refused, or could not.
    """
    if "error" in answer:
        raise RemoteError(answer["error"], answer["message"], answer.get("traceback", ""))
    return answer["ok"]
