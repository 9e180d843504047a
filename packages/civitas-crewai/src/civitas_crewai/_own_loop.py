"""A run's own event loop, in a thread of its own.

CrewAI's async kickoff blocks the loop that it runs on in places: guardrails that ask a model, the planner, callbacks.
So each run has a loop to itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from crewai.hooks.dispatch import HookAborted

from civitas.tools.forked import guard

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Bridge", "RunOver", "run_apart"]

logger = logging.getLogger("civitas")

_Result = TypeVar("_Result")

# Seconds that a cancelled run gets to end by itself before it is left behind in its thread.
_GRACE = 0.1


class RunOver(HookAborted):
    """The run was cancelled meanwhile. CrewAI lets this kind through everywhere, and does not try again."""

    def __init__(self) -> None:
        super().__init__("the run is over", source="civitas")


class Bridge:
    """From the threads of one run to the loop of its agent.

    Args:
        loop: The agent's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.over = False
        self._lock = threading.Lock()
        self._asked: set[Future[Any]] = set()

    def check(self) -> None:
        """Raise `RunOver` if the run is over."""
        if self.over:
            raise RunOver

    def submit(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Have the agent's loop run a coroutine, in the context of the caller; it ends with the run."""
        with self._lock:
            if self.over:
                coroutine.close()
                raise RunOver
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
            self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        return future

    def wait(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """As `submit`, and wait for the result.

        Raises:
            RunOver: The run ended meanwhile.
        """
        return self.result(self.submit(coroutine))

    def result(self, future: Future[_Result]) -> _Result:
        """The result of a `submit`."""
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RunOver from None

    def end(self) -> None:
        """The run is over: whoever waits here is let go, and what they waited for is cancelled."""
        with self._lock:
            self.over = True
            asked = tuple(self._asked)
        for future in asked:
            future.cancel()


async def run_apart(
    work: Callable[[], Coroutine[Any, Any, _Result]],
    bridge: Bridge,
    threads: ThreadPoolExecutor,
    name: str,
) -> _Result:
    """Run `work()` on a loop in a thread of its own, in a copy of this context.

    Cancelled, it cancels the work and ends the bridge. Whatever then blocks its thread is left behind.

    Args:
        work: Makes the coroutine, on the other loop.
        bridge: Ends with the work.
        threads: What the other loop runs blocking code on.
        name: Of the thread.
    """
    apart = _Apart(work, threads)
    thread = threading.Thread(
        target=contextvars.copy_context().run, args=(apart.main,), name=name, daemon=True
    )
    thread.start()
    try:
        value: _Result = await apart.result
        return value
    except asyncio.CancelledError:
        bridge.end()
        apart.cancel()
        await asyncio.wait((apart.ended,), timeout=_GRACE)
        if not apart.ended.done():
            logger.warning(
                "%s: the run was cancelled, but code that blocks its event loop, such as a guardrail or a callback, "
                "goes on in this thread; what it returns is dropped. If it must end too, give the agent "
                "an OS process of its own (process:), which can be killed",
                name,
            )
        raise
    finally:
        bridge.end()


class _Apart:
    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, Any]], threads: ThreadPoolExecutor
    ) -> None:
        self._work = work
        self._threads = threads
        self._home = asyncio.get_running_loop()
        self.result: asyncio.Future[Any] = self._home.create_future()
        self.ended: asyncio.Future[None] = self._home.create_future()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """Cancel the work; to be called at home."""
        self._cancelled = True
        with suppress(RuntimeError):  # it has closed by itself
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def main(self) -> None:
        """The thread."""
        loop = self._loop
        loop.set_default_executor(self._threads)
        guard(loop)
        value = error = None
        try:
            value = loop.run_until_complete(self._begin())
        except BaseException as raised:
            error = raised
            # Tasks that ran beside the one that failed have nobody left who asks for their errors.
            loop.set_exception_handler(lambda loop, context: None)
        try:
            self._clear()
        finally:
            loop.close()
            with suppress(RuntimeError):  # its home has closed: nobody waits
                self._home.call_soon_threadsafe(self._tell, value, error)

    async def _begin(self) -> Any:
        self._task = asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        return await self._work()

    def _clear(self) -> None:
        """End what the run left on its loop: CrewAI does not end tasks that ran beside one that failed."""
        loop = self._loop
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())

    def _tell(self, value: Any, error: BaseException | None) -> None:
        self.ended.set_result(None)
        if self.result.done():
            return
        if error is None:
            self.result.set_result(value)
        elif isinstance(error, StopIteration | asyncio.CancelledError):
            self.result.set_exception(RuntimeError(f"the crew's run was cut short: {error!r}"))
        else:
            self.result.set_exception(error)
