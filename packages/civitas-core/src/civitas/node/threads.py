"""Threads for blocking code that asks asyncio for one."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from civitas.process import current_agent, current_message
from civitas.tools.forked import comes_back

__all__ = ["AgentThreads"]


class AgentThreads(ThreadPoolExecutor):
    """The default executor of an event loop that agents share with an application.

    Frameworks run their blocking code by `asyncio.to_thread`: on asyncio's default executor, which has six threads on
    two cores and serves the application too, its DNS look-ups among others. What an agent's code runs that way gets
    threads of its own here; everything else goes to the executor that the loop had.

    Args:
        size: How many threads agents may have.
        name: What the names of the threads begin with.
    """

    def __init__(self, size: int, name: str) -> None:
        super().__init__(size, name)
        self.busy: Counter[str] = Counter()
        """How many calls go on for each message, by its id."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._others: ThreadPoolExecutor | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Become the default executor of `loop`."""
        self._loop = loop
        # There is no public way to ask a loop for the one it has, None until it is first used.
        others = getattr(loop, "_default_executor", None)
        self._others = others._other_threads() if isinstance(others, AgentThreads) else others
        loop.set_default_executor(self)

    def detach(self) -> None:
        """Give the loop back the executor it had, and end; threads in the middle of a call are left to finish it."""
        loop, self._loop = self._loop, None
        if loop is not None and getattr(loop, "_default_executor", self) is self:
            loop.set_default_executor(self._other_threads())
        self.shutdown(wait=False, cancel_futures=True)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `fn` in a thread of the agents, or in one of the others."""
        if current_agent.get(None) is not None:
            message = current_message.get(None)
            if message is None:
                return super().submit(comes_back, fn, *args, **kwargs)
            return super().submit(self._counted, message.id, fn, *args, **kwargs)
        return self._other_threads().submit(fn, *args, **kwargs)

    def lend(self) -> ThreadPoolExecutor:
        """The same threads, for an event loop of an agent's own; they survive that loop."""
        return _Lent(self)

    def _counted(self, id: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            self.busy[id] += 1
        try:
            return comes_back(fn, *args, **kwargs)
        finally:
            with self._lock:
                self.busy[id] -= 1
                if not self.busy[id]:
                    del self.busy[id]

    def _other_threads(self) -> ThreadPoolExecutor:
        if self._others is None:
            self._others = ThreadPoolExecutor(thread_name_prefix="asyncio")
        return self._others


class _Lent(ThreadPoolExecutor):
    """Threads of somebody else: an event loop shuts down its default executor when it closes."""

    def __init__(self, owner: AgentThreads) -> None:
        # No threads of its own, and so nothing of its base class to set up.
        self._owner = owner

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._owner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave them as they are."""
