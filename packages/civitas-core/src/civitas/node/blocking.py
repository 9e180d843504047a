"""Names the handler that blocks the event loop, with its file and line."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Any

from civitas.launch import ShortPauses
from civitas.process import current_agent, current_message
from civitas.process.stacks import context_of
from civitas.telemetry.metrics import Metrics

__all__ = ["BlockWatch"]

logger = logging.getLogger("civitas")

_LOOK = 0.025
"""Seconds between two looks at the event loop."""
_LOOKS = 4
"""So many looks after the first may find the same task there: 100 ms."""
_PLACES = 1000
"""So many places are named; more than that nobody reads."""
_OF_LOOP = ("asyncio.events", "asyncio.base_events", "asyncio.runners")


@dataclass(eq=False, slots=True)
class _Turn:
    """One turn of the loop, from the moment a look found it at work."""

    task: asyncio.Task[Any]
    began: float
    looks: int
    over: bool = False
    named: bool = False

    def ends(self) -> None:
        self.over = True


class BlockWatch:
    """A thread that looks forty times a second at which task the event loop runs.

    A task that is found there each time for more than 100 ms, while the loop does not turn, blocks it. A moment in
    which the whole process stood still is one look, however long it was. If that is the handler of an agent, the place
    in its code is logged at once, and an event `blocked` when the loop turns again: each once per place. The metric
    counts every time.

    Args:
        node: Name of the OS process.
        loop: Its event loop; this is its thread.
        metrics: Of the process.
        tell: Reports the event: the agent's name, the place, and a line to read.
    """

    def __init__(
        self,
        node: str,
        loop: asyncio.AbstractEventLoop,
        metrics: Metrics,
        tell: Callable[[str, str, str], None],
    ) -> None:
        self._node = node
        self._loop = loop
        self._metrics = metrics
        self._tell = tell
        self._watched = threading.get_ident()
        self._places: set[str] = set()
        self._running = threading.Lock()  # to wait for it costs a tenth of what an Event does
        self._running.acquire()
        self._thread = threading.Thread(
            target=self._watch, name=f"civitas-{node}-blocking", daemon=True
        )
        self._turn: _Turn | None = None
        self._thread.start()

    def held(self) -> float:
        """For how many seconds one task has held the event loop until now, while it does not turn; otherwise 0."""
        turn = self._turn
        return 0.0 if turn is None or turn.over else time.monotonic() - turn.began

    def end(self) -> None:
        """No more of it."""
        self._running.release()
        self._thread.join()

    def _watch(self) -> None:
        looked, used = time.monotonic(), time.process_time()
        while not self._running.acquire(timeout=_LOOK):
            before, used_before = looked, used
            looked, used = time.monotonic(), time.process_time()
            task, turn = asyncio.current_task(self._loop), self._turn
            if task is None:
                continue
            # Code in C may have kept this thread waiting, too: what the process used meanwhile counts as looks. So does
            # a machine that is short of processors, but the process used nothing then, and no agent is to blame.
            missed = int(min(looked - before, used - used_before) / _LOOK)
            began, looks = (before, missed) if missed >= _LOOKS else (looked, 0)
            if turn is None or turn.over:
                turn = self._turn = _Turn(task, began, looks)
                try:
                    self._loop.call_soon_threadsafe(turn.ends)
                except RuntimeError:  # it is closed
                    return
            elif turn.task is not task:
                turn.task, turn.began, turn.looks, turn.named = task, began, looks, False
            else:
                turn.looks += max(1, missed)
            if turn.looks >= _LOOKS and not turn.named:
                turn.named = True
                self._found(turn)

    def _found(self, turn: _Turn) -> None:
        context = context_of(turn.task)
        agent = context.get(current_agent) if context is not None else None
        frame = sys._current_frames().get(self._watched)
        if context is None or agent is None or context.get(current_message) is None:
            return
        if frame is None or turn.over:
            return
        place = _place(frame)
        del frame  # it would keep alive what the handler has
        first = place not in self._places and len(self._places) < _PLACES
        if first:
            self._places.add(place)
            context.copy().run(
                logger.warning,
                "agent %r blocks the event loop of %r for more than %.0f ms at %s; meanwhile nothing else in that "
                "process runs. Await what takes long, or call it by asyncio.to_thread",
                agent.name,
                self._node,
                _LOOKS * _LOOK * 1000,
                place,
            )
        try:
            self._loop.call_soon_threadsafe(self._report, agent.name, place, turn.began, first)
        except RuntimeError:  # it is closed
            return

    def _report(self, agent: str, place: str, began: float, first: bool) -> None:
        if self._metrics.active:
            self._metrics.blocked(agent, self._node)
        if first:
            seconds = time.monotonic() - began
            self._tell(
                agent, place, f"{agent} blocked the event loop for {seconds:.2f} s at {place}"
            )


def _place(frame: FrameType) -> str:
    """The innermost line of code that the user wrote; of the libraries it calls, if there is none."""
    if frame.f_code is ShortPauses.__call__.__code__ and frame.f_back is not None:
        frame = frame.f_back  # the collector called it, in the middle of somebody's line
    found = frame
    each: FrameType | None = frame
    while each is not None and each.f_globals.get("__name__") not in _OF_LOOP:
        if _is_of_user(each):
            found = each
            break
        each = each.f_back
    return f"{found.f_code.co_filename}:{found.f_lineno} ({found.f_code.co_qualname})"


def _is_of_user(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return not (file.startswith(_of_others()) or module.startswith("civitas"))


@cache
def _of_others() -> tuple[str, ...]:
    """How the files of code begin that is nobody's own: its folders, and what has no file."""
    import sysconfig  # reads much, and is needed by those that block only

    return ("<", *{sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib")})
