"""Why a process ended."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from civitas.errors import HandlerFailed

__all__ = ["KILLED", "NORMAL", "SHUTDOWN", "ExitKind", "ExitReason", "Failure"]


class ExitKind(StrEnum):
    """The exit reasons, in OTP's words where it has one."""

    NORMAL = "normal"
    """It ended by itself: `stop()`, or `ErrorAction.STOP`."""
    SHUTDOWN = "shutdown"
    """Its supervisor ended it, or it is a supervisor that gave up."""
    CRASHED = "crashed"
    """An error escaped."""
    KILLED = "killed"
    """It did not end within its `shutdown_timeout` and was cancelled."""
    NODE_DOWN = "node_down"
    """Its OS process or machine went away."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as plain data, as it travels between OS processes.

    Attributes:
        error_type: Bare class name.
        error_message: The error's text.
        traceback: The whole traceback as text.
    """

    error_type: str
    error_message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe `error`; a text that cannot be had is replaced, never raised."""
        try:
            text = str(error)
        except Exception as broken:
            text = f"(its text raised {type(broken).__name__})"
        try:
            trace = "".join(traceback.format_exception(error))
        except Exception:
            trace = f"{type(error).__name__}: {text}"
        return cls(type(error).__name__, text, trace)

    def as_error(self, agent: str) -> HandlerFailed:
        """The error that whoever asked `agent` gets."""
        return HandlerFailed(agent, self.error_type, self.error_message, self.traceback)

    def __str__(self) -> str:
        return f"{self.error_type}: {self.error_message}"


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Why one incarnation ended.

    Attributes:
        kind: What kind of end it was.
        failure: The error, for `crashed`.
        headers: Of the message it crashed on, so that crash and restart show in that message's trace.
        at: Unix nanoseconds when it crashed.
    """

    kind: ExitKind
    failure: Failure | None = None
    headers: Mapping[str, str] | None = field(default=None, compare=False)
    at: int | None = field(default=None, compare=False)

    @property
    def abnormal(self) -> bool:
        """Whether a transient child is started again after it (OTP: anything but normal and shutdown)."""
        return self.kind not in (ExitKind.NORMAL, ExitKind.SHUTDOWN)

    @classmethod
    def crashed(cls, error: BaseException, headers: Mapping[str, str] | None = None) -> ExitReason:
        """The reason of a process that `error` ended."""
        return cls(ExitKind.CRASHED, Failure.of(error), headers, time.time_ns())

    def __str__(self) -> str:
        return f"{self.kind}: {self.failure}" if self.failure else str(self.kind)


NORMAL = ExitReason(ExitKind.NORMAL)
SHUTDOWN = ExitReason(ExitKind.SHUTDOWN)
KILLED = ExitReason(ExitKind.KILLED)
