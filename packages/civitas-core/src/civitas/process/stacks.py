"""Where an agent's code is at this moment: what its task awaits, and what its threads do."""

from __future__ import annotations

import asyncio
import linecache
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, TypedDict

__all__ = ["StackFrame", "frames_of", "threads_of"]

_DEEPEST = 200
"""So many frames are told."""
_CORO = ("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")


class StackFrame(TypedDict):
    """One line of a stack; the last of them is where it stands.

    Attributes:
        file: Path of the file.
        line: Number of the line.
        function: Name of the function.
        code: The line itself, without its indentation.
    """

    file: str
    line: int
    function: str
    code: str


def frames_of(task: asyncio.Task[Any]) -> list[StackFrame]:
    """The stack of what a task awaits, through the tasks that it awaits; the outermost frame first."""
    return list(_awaited(task, set()))[:_DEEPEST]


def threads_of(agent: object) -> list[list[StackFrame]]:
    """The stacks of the threads that run a plain `def` of an agent."""
    return [
        stack
        for top in sys._current_frames().values()
        if (stack := _of_thread(top, agent)) is not None
    ]


def _awaited(task: asyncio.Task[Any], seen: set[int]) -> Iterator[StackFrame]:
    if id(task) in seen or task.done():
        return
    seen.add(id(task))
    yield from _of_coroutine(task.get_coro())
    # There is no public way to ask a task what it waits for before Python 3.14.
    waiter = getattr(task, "_fut_waiter", None)
    for each in (waiter, *getattr(waiter, "_children", ())):
        if isinstance(each, asyncio.Task):
            yield from _awaited(each, seen)


def _of_coroutine(awaited: Any) -> Iterator[StackFrame]:
    for _ in range(_DEEPEST):
        for frame_name, next_name in _CORO:
            frame = getattr(awaited, frame_name, None)
            if frame is not None:
                yield _frame(frame.f_code, frame.f_lineno)
                awaited = getattr(awaited, next_name, None)
                break
        else:
            return


def _of_thread(top: FrameType, agent: object) -> list[StackFrame] | None:
    """The stack of a thread from where it enters the agent's code; None for a thread of others."""
    stack: list[StackFrame] = []
    frame: FrameType | None = top
    while frame is not None:
        if getattr(frame.f_locals.get("function"), "__self__", None) is agent:
            return stack[::-1]
        stack.append(_frame(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return None


def _frame(code: CodeType, line: int | None) -> StackFrame:
    line = line or code.co_firstlineno
    return {
        "file": code.co_filename,
        "line": line,
        "function": code.co_qualname,
        "code": linecache.getline(code.co_filename, line).strip(),
    }
