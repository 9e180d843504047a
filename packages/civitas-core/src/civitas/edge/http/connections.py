"""Connections of callers that are slow, or do nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["PatientProtocol", "patient"]


class PatientProtocol(H11Protocol):
    """HTTP with callers that are left when they take too long to send the head of a request, or to read.

    A connection that is left is aborted: to close it would wait until its caller has read the rest. The body of a
    request has a limit of its own, at the gate.
    """

    patience: float
    """Seconds that a caller has."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there, and its request is awaited."""
        super().connection_made(transport)
        self._head = _Limit(self.loop, self.patience, transport.abort)
        self._read = _Limit(self.loop, self.patience, transport.abort)
        self._head.begin()

    def data_received(self, data: bytes) -> None:
        """Take what a caller sent."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]  # None until a head is there
            self._head.begin()
        else:
            self._head.end()

    def pause_writing(self) -> None:
        """The caller has not read what was sent to it."""
        super().pause_writing()
        self._read.begin()

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self._read.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        self._head.end()
        self._read.end()
        super().connection_lost(exc)


def patient(seconds: float) -> type[PatientProtocol]:
    """The protocol, with callers that have so many seconds."""
    return type("Patient", (PatientProtocol,), {"patience": seconds})


class _Limit:
    """The time that something may take."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._late = late
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """It runs from now on, if it does not yet."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._late)

    def end(self) -> None:
        """It was in time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
