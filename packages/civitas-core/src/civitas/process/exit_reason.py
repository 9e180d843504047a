"""Why a process ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from linecache import checkcache, lazycache
from traceback import FrameSummary, StackSummary, TracebackException
from types import CodeType, TracebackType

from civitas.errors import HandlerFailed, PayloadError, UnknownInterrupt

__all__ = [
    "KILLED",
    "NORMAL",
    "SHUTDOWN",
    "ExitKind",
    "ExitReason",
    "PlainError",
    "Unfinished",
    "reason_of",
]

logger = logging.getLogger("civitas")


class ExitKind(StrEnum):
    """The exit reasons, in the words of OTP if it has one."""

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


class Trace:
    """A traceback that becomes text when somebody reads it: making the text takes longer than a whole restart.

    It holds no frame, so nothing that the failed code used is kept alive.

    Args:
        error: What was raised.
        text: What it says; None if that cannot be had.
        instead: The text where no traceback can be had.
    """

    __slots__ = ("_captured", "_places", "_text")

    def __init__(self, error: BaseException, text: str | None, instead: str) -> None:
        self._text = instead
        self._captured: TracebackException | tuple[type[BaseException], str] | None = None
        self._places: list[_Place] | None = None
        try:
            traceback = _from_the_agent(error.__traceback__)
            if text is None or isinstance(error, _LOOKS_AT_FRAMES):
                self._captured = TracebackException(
                    type(error), error, traceback, lookup_lines=False
                )
                return
            # What `TracebackException` does with the frames takes three times as long as all the rest of it.
            self._places = _places(traceback)
            if error.__context__ is None and error.__cause__ is None and _says_no_more(error):
                self._captured = type(error), text
            else:
                self._captured = TracebackException(type(error), error, None, lookup_lines=False)
        except Exception:
            logger.debug(
                "the traceback of a %s could not be read", type(error).__name__, exc_info=True
            )

    def __str__(self) -> str:
        captured, self._captured = self._captured, None
        if captured is not None:
            try:
                if isinstance(captured, tuple):
                    kind, text = captured
                    captured = TracebackException(kind, Exception(text), None, lookup_lines=False)
                if self._places is not None:
                    captured.stack = StackSummary.from_list(list(map(_frame_at, self._places)))
                self._text = "".join(captured.format())
            except Exception:
                logger.debug("a traceback could not be made into text", exc_info=True)
            self._places = None
        return self._text


_Place = tuple[CodeType, int, int]
"""A line that was running: the code, the instruction, the number of the line."""

_LOOKS_AT_FRAMES = (NameError, AttributeError, ImportError)
"""Later Pythons look for similar names in the frames of these."""


def _says_no_more(error: BaseException) -> bool:
    """Whether its class and its text are all that its traceback says beside the frames."""
    if isinstance(error, (SyntaxError, BaseExceptionGroup)):
        return False
    return getattr(error, "__notes__", None) is None


def _places(traceback: TracebackType | None) -> list[_Place]:
    found: list[_Place] = []
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        lazycache(code.co_filename, frame.f_globals)
        found.append((code, traceback.tb_lasti, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _frame_at(place: _Place) -> FrameSummary:
    code, instruction, line = place
    checkcache(code.co_filename)
    positions = islice(code.co_positions(), max(instruction, 0) // 2, None)
    first, last, begin, end = next(positions, (None, None, None, None))
    return FrameSummary(
        code.co_filename,
        first if first is not None else line,
        code.co_name,
        lookup_line=False,
        end_lineno=last,
        colno=begin,
        end_colno=end,
    )


def _from_the_agent(traceback: TracebackType | None) -> TracebackType | None:
    """`traceback` from where it enters the agent's code: the loop that called it tells nobody anything."""
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_frame.f_globals.get("__package__") != __package__:
            break
        traceback = traceback.tb_next
    return traceback


class Unfinished(Exception):
    """A handler left its message where it was, because its process is to end: the message counts as not handled."""


@dataclass(frozen=True, slots=True)
class PlainError:
    """An error as plain data, as it travels between OS processes.

    Attributes:
        error_type: Bare class name.
        error_message: The error's text.
        trace: What becomes the traceback as text.
        unknown_interrupt: Whether it was an `UnknownInterrupt`; a class of the user may have that name, too.
        refused: Whether the agent does not take the payload: the mistake is the sender's.
    """

    error_type: str
    error_message: str
    trace: Trace | str
    unknown_interrupt: bool = False
    refused: bool = False

    @classmethod
    def of(cls, error: BaseException) -> PlainError:
        """Describe `error`; a text that cannot be had is replaced, never raised."""
        said: str | None = None
        try:
            text = said = str(error)
        except Exception as broken:
            text = f"(its text raised {type(broken).__name__})"
        kind = type(error).__name__
        trace = Trace(error, said, f"{kind}: {text}")
        refused = isinstance(error, PayloadError) and error.refused
        return cls(kind, text, trace, isinstance(error, UnknownInterrupt), refused)

    @property
    def traceback(self) -> str:
        """The whole traceback as text."""
        return str(self.trace)

    def as_error(self, agent: str) -> HandlerFailed:
        """The error that whoever asked `agent` gets."""
        if self.unknown_interrupt:
            return UnknownInterrupt(agent, self.error_message, self.trace)
        failed = HandlerFailed(agent, self.error_type, self.error_message, self.trace)
        if self.refused:
            failed.refused = True
        return failed

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
        incident: What ended it together with others, such as the end of their OS process, or again: a message that is
            delivered again, see `civitas.process.incident`. A supervisor counts the first kind once, and the second
            not at all. Empty where it ended alone.
    """

    kind: ExitKind
    failure: PlainError | None = None
    headers: Mapping[str, str] | None = field(default=None, compare=False)
    at: int | None = field(default=None, compare=False)
    incident: str = field(default="", compare=False)

    @property
    def abnormal(self) -> bool:
        """Whether a transient child is started again after it (OTP: anything but normal and shutdown)."""
        return self.kind not in (ExitKind.NORMAL, ExitKind.SHUTDOWN)

    @classmethod
    def crashed(
        cls,
        error: BaseException,
        headers: Mapping[str, str] | None = None,
        incident: str = "",
    ) -> ExitReason:
        """The reason of a process that `error` ended."""
        return cls(ExitKind.CRASHED, PlainError.of(error), headers, time.time_ns(), incident)

    def __str__(self) -> str:
        return f"{self.kind}: {self.failure}" if self.failure else str(self.kind)


NORMAL = ExitReason(ExitKind.NORMAL)
SHUTDOWN = ExitReason(ExitKind.SHUTDOWN)
KILLED = ExitReason(ExitKind.KILLED)


def reason_of(task: asyncio.Task[ExitReason]) -> ExitReason:
    """Why the incarnation ended that `task` ran."""
    if task.cancelled():
        return KILLED
    error = task.exception()
    return ExitReason.crashed(error) if error is not None else task.result()
