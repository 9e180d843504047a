"""Where the time of one agent goes: a thread looks at its code a hundred times a second, for as long as asked."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from typing import Any, Literal, TypeAlias, TypedDict

from civitas.errors import ConfigurationError
from civitas.process import Cell
from civitas.process.incarnation import Incarnation
from civitas.process.stacks import (
    Place,
    StackFrame,
    agent_of,
    agent_of_thread,
    of_loop,
    of_thread,
    placed,
    places_of,
)

__all__ = ["LONGEST", "HotStack", "Profile", "check_seconds", "profile", "profiled"]

LONGEST = 60.0
"""Seconds that a profile may take."""
_EVERY = 0.01
_STACKS = 200
"""So many stacks are told, the most frequent."""

_Where: TypeAlias = Literal["loop", "thread", "await"]
_Stacks: TypeAlias = list[tuple[_Where, tuple[Place, ...]]]


class HotStack(TypedDict):
    """A stack that was seen.

    Attributes:
        where: `loop` while it held the event loop, `thread` in a thread, `await` while it waited.
        samples: How often.
        stack: It, the outermost frame first.
    """

    where: _Where
    samples: int
    stack: list[StackFrame]


class Profile(TypedDict):
    """Where the time of an agent went.

    Attributes:
        seconds: How long was looked.
        samples: How often.
        loop: In how many of the samples its code held the event loop.
        thread: In how many more it ran in a thread.
        waits: In how many more it had a message in hand, and waited.
        idle: In how many more it waited for a message, or did not run.
        others: In how many the event loop was held by code of others, by the agent; by `""` for code of nobody.
        stacks: The most frequent 200.
        left_out: How many samples are in none of these.
    """

    seconds: float
    samples: int
    loop: int
    thread: int
    waits: int
    idle: int
    others: dict[str, int]
    stacks: list[HotStack]
    left_out: int


def check_seconds(seconds: float) -> float:
    """Raise `ConfigurationError` unless a profile may take so long."""
    known = type(seconds) in (int, float)
    if not (known and 0 < seconds <= LONGEST):
        raise ConfigurationError(
            f"a profile takes more than 0 and up to {LONGEST:g} seconds; got {seconds!r}"
        )
    return seconds


async def profiled(
    cell: Cell, loop: asyncio.AbstractEventLoop, thread: int, seconds: float
) -> Profile:
    """Look at an agent from a thread while the loop goes on; who is cancelled here ends it."""
    stop = threading.Event()
    found: asyncio.Future[Profile] = loop.create_future()

    def tell(seen: Profile | Exception) -> None:
        if found.done():
            return
        if isinstance(seen, Exception):
            found.set_exception(seen)
        else:
            found.set_result(seen)

    def look() -> None:
        seen: Profile | Exception
        try:
            seen = profile(cell, loop, thread, seconds, stop)
        except Exception as error:  # what is looked at changes meanwhile
            seen = error
        if not stop.is_set():
            loop.call_soon_threadsafe(tell, seen)

    looking = threading.Thread(target=look, name="civitas-profile", daemon=True)
    looking.start()
    try:
        return await found
    finally:
        stop.set()
        looking.join()


def profile(
    cell: Cell,
    loop: asyncio.AbstractEventLoop,
    thread: int,
    seconds: float,
    stop: threading.Event,
) -> Profile:
    """Look at an agent, in another thread than that of its event loop.

    Args:
        cell: The agent.
        loop: Of its OS process.
        thread: Which runs that.
        seconds: How long.
        stop: Ends it early.
    """
    seen: Counter[tuple[_Where, tuple[Place, ...]]] = Counter()
    kinds: Counter[str] = Counter()
    others: Counter[str] = Counter()
    began = time.monotonic()
    while time.monotonic() - began < seconds and not stop.is_set():
        incarnation = cell.incarnation
        holder, held = _holder(loop, thread)
        mine: _Stacks = []
        if incarnation is not None:
            mine = [("loop", held)] if holder is incarnation.agent else _beside(incarnation)
        if held and (not mine or mine[0][0] != "loop"):
            others[getattr(holder, "name", "")] += 1
        kinds[mine[0][0] if mine else "idle"] += 1
        seen.update(mine)
        # Never in step with what the agent does again and again.
        stop.wait(_EVERY * random.uniform(0.5, 1.5))
    told = seen.most_common(_STACKS)
    return {
        "seconds": round(time.monotonic() - began, 3),
        "samples": kinds.total(),
        "loop": kinds["loop"],
        "thread": kinds["thread"],
        "waits": kinds["await"],
        "idle": kinds["idle"],
        "others": dict(others.most_common()),
        "stacks": [
            {"where": where, "samples": times, "stack": placed(places)}
            for (where, places), times in told
        ],
        "left_out": seen.total() - sum(times for _, times in told),
    }


def _holder(loop: asyncio.AbstractEventLoop, thread: int) -> tuple[Any, tuple[Place, ...]]:
    """The agent whose code holds the event loop, and what it does; no places while nothing does."""
    task = asyncio.current_task(loop)
    if task is None:
        return None, ()
    top = sys._current_frames().get(thread)
    return agent_of(task), of_loop(top) if top is not None else ()


def _beside(incarnation: Incarnation) -> _Stacks:
    """What the code of an agent does that does not hold the event loop."""
    agent, task = incarnation.agent, incarnation.task
    threads: _Stacks = [
        ("thread", of_thread(top))
        for top in sys._current_frames().values()
        if agent_of_thread(top) is agent
    ]
    if threads:
        return threads
    if task is None or (incarnation.now.current is None and incarnation.now.serving):
        return []
    return [("await", places_of(task))]
