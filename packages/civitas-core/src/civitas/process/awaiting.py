"""Whose handler waits for what runs now: it must not be made to wait for its own end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from civitas.message import new_id
from civitas.process.agent import current_agent
from civitas.process.context import Caller
from civitas.process.current import blocks_a_thread, current_message

__all__ = ["holding", "waiting_agent"]


def waiting_agent() -> Caller | None:
    """The agent of this process whose code awaits the call that asks this; None if nobody's does.

    A handler may also begin a task and go on: that task holds up nobody.
    """
    agent = current_agent.get(None)
    run = agent._civitas_incarnation if agent is not None else None
    if run is None or run.now.over or run.task is None:
        return None
    if not run.blocked_by(current_message.get(None)):
        return None
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    if task is run.task or blocks_a_thread.get():
        return run
    return run if task is not None and _awaits(run.task, task) else None


@contextmanager
def holding(caller: Caller, names: Iterable[str]) -> Iterator[None]:
    """Let it be known that an agent waits for these: who of them asks it would wait for itself."""
    held = {f"call:{new_id()}": name for name in names}
    asking = caller.asking
    asking.update(held)
    try:
        yield
    finally:
        for id in held:
            asking.pop(id, None)


def _awaits(outer: asyncio.Task[Any], inner: asyncio.Task[Any]) -> bool:
    """Whether `outer` waits for `inner`: by `await`, or by what asyncio has for several and for a time limit."""
    waiting: list[Any] = [outer]
    seen: set[int] = set()
    while waiting:
        future = waiting.pop()
        if future is None or id(future) in seen:
            continue
        seen.add(id(future))
        if future is inner or any(_tells(callback, future) for callback, _ in _callbacks(inner)):
            return True
        waiting.append(getattr(future, "_fut_waiter", None))
        waiting += getattr(future, "_children", ())
    return False


def _callbacks(task: asyncio.Task[Any]) -> Iterable[Any]:
    return getattr(task, "_callbacks", None) or ()


def _tells(callback: Any, future: Any) -> bool:
    """Whether a task's end, by this callback of it, ends `future`."""
    if isinstance(callback, functools.partial):  # asyncio.wait_for, before Python 3.12
        return any(each is future for each in callback.args)
    if getattr(getattr(callback, "__self__", None), "_on_completed_fut", None) is future:
        return True  # asyncio.TaskGroup
    cells = getattr(callback, "__closure__", None) or ()
    return any(_content(cell) is future for cell in cells)  # asyncio.wait, asyncio.shield


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
