"""`QuickLoop`: an event loop whose time goes by at once when nothing is left to do, so that nobody waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import ContextVar
from typing import Any, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

__all__ = ["NODE", "QuickLoop"]

NODE: ContextVar[object] = ContextVar("NODE", default=None)
"""Which node runs: tasks and callbacks take it over from whoever makes them."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class QuickLoop(asyncio.SelectorEventLoop):
    """Time stands still while there is something to do, and is then that of the next timer.

    Attributes:
        nodes: Of each task, the `NODE` that made it.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.nodes: WeakKeyDictionary[asyncio.Task[Any], object] = WeakKeyDictionary()
        self.in_threads = 0
        super().__init__(_Selector(self))
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        self.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._out_of_thread)
        return future

    def kill(self, node: object) -> None:
        """End every task of a node."""
        for task in [task for task, owner in self.nodes.items() if owner is node]:
            task.cancel()

    def tasks_of(self, node: object) -> list[asyncio.Task[Any]]:
        """The tasks of a node that are not over."""
        return [task for task, owner in self.nodes.items() if owner is node and not task.done()]

    def _out_of_thread(self, future: object) -> None:
        self.in_threads -= 1

    def _make_task(self, loop: Any, work: Any, **keywords: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **keywords)
        self.nodes[task] = NODE.get()
        return task


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: QuickLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if timeout is None or self._loop.in_threads:
            found = super().select(5.0)
            assert found, "nothing will ever happen again"
            return found
        found = super().select(0)
        if not found:
            self._loop.now += timeout
        return found
