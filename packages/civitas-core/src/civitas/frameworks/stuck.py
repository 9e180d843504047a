"""Finding the run that is stuck: it makes no step, token or call for longer than its agent allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from civitas.errors import NoProgress
from civitas.frameworks.run import Run, current_run

if TYPE_CHECKING:
    from civitas.process.progress import Progress

__all__ = ["heartbeat", "unless_stuck"]

_LOOKS = 8
"""How many looks there are within a `progress_timeout`; one that comes late shows that the process was held up."""


def heartbeat(what: str = "its code said that it goes on") -> None:
    """Say in a tool, a model or a node that takes long that it goes on, so that `progress_timeout` counts from now.

    It may be called in any thread of the run, as often as you like; outside a run it does nothing.

    Args:
        what: What has just happened, in words: it stands in the error of a run that is stuck after it.
    """
    run = current_run.get()
    if run is not None:
        run.progress.moves(what)


@asynccontextmanager
async def unless_stuck(run: Run) -> AsyncIterator[None]:
    """Cancel what is inside the block when `run` is stuck.

    The time stands still while the run waits for others: for an agent that it asked, which has limits of its own, or
    for a slow reader of its stream. So it does while this OS process is held up.

    Raises:
        NoProgress: It was stuck.
    """
    agent, progress = run.agent, run.progress
    limit = agent.progress_timeout
    if limit is None:
        yield
        return
    running = agent._civitas_running()
    running.asking = asks = _Asks(running.asking, progress)
    progress.moves("the run began")
    try:
        async with asyncio.timeout(None) as bound:
            watch = _Lookout(progress, asks, limit, bound)
            try:
                yield
            finally:
                watch.end()
    except Exception as error:  # some frameworks make another exception of a cancellation
        if not bound.expired():
            raise
        raise NoProgress(agent.name, limit, watch.last) from error


class _Asks(dict[str, str]):
    """Whom the run waits for; an answer that comes is progress."""

    def __init__(self, before: dict[str, str], progress: Progress) -> None:
        super().__init__(before)
        self._progress = progress

    def pop(self, *arguments: Any) -> Any:
        self._progress.moves("an agent that it asked answered")
        return super().pop(*arguments)


class _Lookout:
    """Looks at the progress of a run, a few times within its limit.

    Args:
        progress: Of the run.
        asks: Whom the run waits for.
        limit: Seconds without progress.
        bound: Rescheduled to now when the run is stuck.
    """

    def __init__(
        self, progress: Progress, asks: dict[str, str], limit: float, bound: asyncio.Timeout
    ) -> None:
        self._progress = progress
        self._asks = asks
        self._limit = limit
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._counts_from = 0.0
        self.last = ""
        """What the run did last, and when, in words; once it is stuck."""
        self._look_after(limit / _LOOKS)

    def end(self) -> None:
        """The run is over."""
        self._timer.cancel()

    def _look_after(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        now, progress = time.monotonic(), self._progress
        if self._asks or progress.telling:
            self._counts_from = now
        else:
            since = max(self._counts_from, progress.steady)
            held_up = max(0.0, now - max(self._due, since))
            self._counts_from = since + held_up
        left = self._counts_from + self._limit - now
        if left > 0:
            self._look_after(min(left, self._limit / _LOOKS))
            return
        at = time.strftime("%H:%M:%S", time.localtime(progress.moved))
        self.last = f"{progress.last}, {now - progress.steady:.1f} s before, at {at}"
        self._bound.reschedule(self._loop.time())
