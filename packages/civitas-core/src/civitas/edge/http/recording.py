"""What runs have told, kept for readers that lost their connection."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from civitas.edge.http.sse import event

__all__ = ["Recording", "Recordings"]

_RUNS = 10_000
"""So many recordings are kept, the newest and those under way."""
_EVENTS = 10_000
"""Of a run so many events are kept, the newest."""
_BYTES = 16 * 1024 * 1024
"""The same in bytes."""
_AHEAD = 100
"""So many events a run may be ahead of its first reader, as with a stream inside the system."""


class Recording:
    """The events of one run, numbered from 1.

    Args:
        outlives: Whether the run goes on when its readers have left.
    """

    def __init__(self, *, outlives: bool) -> None:
        self.outlives = outlives
        self.over = False
        self._events: deque[tuple[int, str]] = deque()
        self._bytes = 0
        self._last = 0
        self._read = 0
        self._readers = 0
        self._work: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what makes the events."""
        self._work = asyncio.get_running_loop().create_task(work, name="civitas:edge:run")

    async def add(self, name: str, data: Any) -> None:
        """One more event; waits while a reader is there that is far behind."""
        self._last += 1
        text = event(data, name=name, id=str(self._last))
        self._events.append((self._last, text))
        self._bytes += len(text)
        while len(self._events) > _EVENTS or (self._bytes > _BYTES and len(self._events) > 1):
            self._bytes -= len(self._events.popleft()[1])
        self._wake()
        while self._readers and self._last - self._read > _AHEAD:
            await self._changed.wait()

    def end(self) -> None:
        """There are no more."""
        self.over = True
        self._wake()

    async def after(self, number: int) -> AsyncGenerator[str, None]:
        """The events behind one, and those to come; says where some are not kept any more."""
        self._readers += 1
        try:
            while True:
                kept = [each for each in self._events if each[0] > number]
                if kept and kept[0][0] > number + 1:
                    text = f"events {number + 1} to {kept[0][0] - 1} are not kept any more"
                    yield event({"message": text}, name="gap", id=str(kept[0][0] - 1))
                for each, text in kept:
                    yield text
                    number = self._read = each
                    self._wake()
                if self.over and number >= self._last:
                    return
                changed = self._changed
                if number >= self._last:
                    await changed.wait()
        finally:
            self._readers -= 1
            self._wake()
            if not self._readers and not self.outlives and not self.over:
                await self.cancel()

    async def cancel(self) -> None:
        """End what makes the events."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Recordings:
    """Those of all runs that were streamed by this edge, by name."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Recording] = OrderedDict()

    def get(self, run: str) -> Recording | None:
        """That of a run; None if there is none."""
        return self._runs.get(run)

    def new(self, run: str, *, outlives: bool) -> Recording:
        """Begin one."""
        made = self._runs[run] = Recording(outlives=outlives)
        self._runs.move_to_end(run)
        if len(self._runs) > _RUNS:
            oldest = next((name for name, each in self._runs.items() if each.over), None)
            if oldest is not None:
                del self._runs[oldest]
        return made

    async def close(self) -> None:
        """End those under way."""
        for each in list(self._runs.values()):
            await each.cancel()
