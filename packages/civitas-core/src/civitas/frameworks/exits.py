"""`sys.exit()` in code that a framework runs in a task of its own, so that it ends a run and not the OS process.

asyncio lets `SystemExit` through from a task to whoever runs the loop: the application, and with it everybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from civitas.frameworks.run import current_run

__all__ = ["Exited", "contain_exits"]


class Exited(Exception):
    """What a task of a run ends with in place of the `SystemExit` that it was raised from."""


class _Factory:
    """A task factory that holds `SystemExit` back in the tasks of runs; what came before it makes the tasks.

    Args:
        before: The loop's own.
    """

    def __init__(self, before: Any) -> None:
        self._before = before

    def __call__(
        self, loop: asyncio.AbstractEventLoop, work: Any, /, **keywords: Any
    ) -> asyncio.Future[Any]:
        if current_run.get() is not None and asyncio.iscoroutine(work):
            work = _Contained(work)
        if self._before is not None:
            made: asyncio.Future[Any] = self._before(loop, work, **keywords)
            return made
        return asyncio.Task(work, loop=loop, **keywords)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that passes everything on to another, and lets no `SystemExit` out of it.

    An `async def` around it would not close it where the task is cancelled before it begins.

    Args:
        work: The other one.
    """

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work

    def send(self, value: Any) -> Any:
        try:
            return self._work.send(value)
        except SystemExit as error:
            raise _exited(error) from error

    def throw(self, *error: Any) -> Any:
        try:
            return self._work.throw(*error)
        except SystemExit as raised:
            raise _exited(raised) from raised

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Any:
        return self._work.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)  # its name and its frame, for people who look at the task


def _exited(error: SystemExit) -> Exited:
    return Exited(f"it called sys.exit({error.code!r})")


def contain_exits() -> None:
    """Make sure that tasks which the code of runs makes on this loop let no `SystemExit` out."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    if not isinstance(before, _Factory):
        loop.set_task_factory(_Factory(before))
