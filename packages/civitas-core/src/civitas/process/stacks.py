"""Where an agent's code is at this moment: what its task awaits, and what its threads do."""

from __future__ import annotations

import asyncio
import gc
import linecache
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import thread as pools
from contextvars import Context
from functools import partial
from types import CodeType, FrameType
from typing import Any, TypeAlias, TypedDict

from civitas.process.agent import current_agent

__all__ = [
    "Place",
    "StackFrame",
    "agent_of",
    "agent_of_thread",
    "context_of",
    "frames_of",
    "of_loop",
    "of_thread",
    "placed",
    "places_of",
    "threads_of",
]

_DEEPEST = 200
"""So many frames are told."""
_CORO = ("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await")
_OF_LOOP = ("asyncio.events", "asyncio.base_events", "asyncio.runners")
_CALL_IN_THREAD = pools._WorkItem.run.__code__

Place: TypeAlias = tuple[CodeType, int]
"""A line of code; quick to be had, and compared."""


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
    return placed(places_of(task))


def threads_of(agent: object) -> list[list[StackFrame]]:
    """The stacks of the threads that run blocking code of an agent."""
    return [
        placed(of_thread(top))
        for top in sys._current_frames().values()
        if agent_of_thread(top) is agent
    ]


def placed(places: Iterable[Place]) -> list[StackFrame]:
    """Places, as they are told."""
    return [
        {
            "file": code.co_filename,
            "line": line,
            "function": code.co_qualname,
            "code": linecache.getline(code.co_filename, line).strip(),
        }
        for code, line in places
    ]


def places_of(task: asyncio.Task[Any]) -> tuple[Place, ...]:
    """What a task awaits, through the tasks that it awaits; the outermost first."""
    return tuple(_awaited(task, set()))[:_DEEPEST]


def of_loop(top: FrameType) -> tuple[Place, ...]:
    """What the thread of an event loop does, from where the loop calls it; the outermost first."""
    return _below(top, lambda frame: frame.f_globals.get("__name__") in _OF_LOOP)


def of_thread(top: FrameType) -> tuple[Place, ...]:
    """What a thread of a pool does, from where the pool calls it; the outermost first."""
    return _below(top, lambda frame: frame.f_code is _CALL_IN_THREAD)


def context_of(task: asyncio.Task[Any]) -> Context | None:
    """The context variables of a task."""
    if sys.version_info >= (3, 12):
        return task.get_context()
    return next((each for each in gc.get_referents(task) if isinstance(each, Context)), None)


def agent_of(task: asyncio.Task[Any]) -> Any:
    """The agent whose code a task runs; None if that is nobody's."""
    context = context_of(task)
    return context.get(current_agent) if context is not None else None


def agent_of_thread(top: FrameType) -> Any:
    """The agent whose code a thread of a pool runs; None if that is nobody's, or it is none of a pool."""
    frame: FrameType | None = top
    while frame is not None:
        if frame.f_code is _CALL_IN_THREAD:
            call = frame.f_locals.get("self")
            # asyncio passes the variables along as the owner of a bound method, `context.run`.
            for each in (getattr(call, "fn", None), *getattr(call, "args", ())):
                context = getattr(_unwrapped(each), "__self__", None)
                if isinstance(context, Context):
                    return context.get(current_agent)
            return None
        frame = frame.f_back
    return None


def _unwrapped(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function


def _awaited(task: asyncio.Task[Any], seen: set[int]) -> Iterator[Place]:
    if id(task) in seen or task.done():
        return
    seen.add(id(task))
    yield from _of_coroutine(task.get_coro())
    # There is no public way to ask a task what it waits for before Python 3.14.
    waiter = getattr(task, "_fut_waiter", None)
    for each in (waiter, *getattr(waiter, "_children", ())):
        if isinstance(each, asyncio.Task):
            yield from _awaited(each, seen)


def _of_coroutine(awaited: Any) -> Iterator[Place]:
    for _ in range(_DEEPEST):
        for frame_name, next_name in _CORO:
            frame = getattr(awaited, frame_name, None)
            if frame is not None:
                yield _place(frame)
                awaited = getattr(awaited, next_name, None)
                break
        else:
            return


def _below(top: FrameType, is_outside: Any) -> tuple[Place, ...]:
    """The places from the first frame within one that is outside to the innermost."""
    places: list[Place] = []
    frame: FrameType | None = top
    while frame is not None and not is_outside(frame):
        places.append(_place(frame))
        frame = frame.f_back
    return tuple(places[:_DEEPEST][::-1])


def _place(frame: FrameType) -> Place:
    return frame.f_code, frame.f_lineno or frame.f_code.co_firstlineno
