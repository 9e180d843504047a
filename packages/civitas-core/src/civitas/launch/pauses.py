"""Keeps the pauses of Python's garbage collector short while agents run in this process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["ShortPauses", "short_pauses"]

_LONG = 0.02
"""Seconds of processor time of a full collection after which what it has looked at is left alone."""
_TIMES = 64
"""After how many of these a collection looks at everything again."""


class ShortPauses:
    """Freezes what a long collection has found to be alive.

    A full collection looks at every object there is, and the loop stands meanwhile: 10,000 agents are a third of a
    second. Nearly all of that was there the last time, and will be the next time. So after a collection that took
    long, what is left is frozen: the next one looks at what has come since, and each object costs one pause.

    Python counts how many more objects there are. Where thousands of agents are replaced by new ones, that is none,
    and a full collection would come late and find them all. What the collections of younger objects take says how much
    there is to look at: when it has been long, the full one follows in the next turn of the event loop.

    What is frozen is still freed as soon as nothing refers to it, but not where it refers to itself in a circle. So
    that such circles do not pile up, everything is looked at again after many freezes: what lives on and does not
    grow never gets there.
    """

    def __init__(self) -> None:
        self._frozen = 0
        self._began = 0.0
        self._younger = 0.0
        """Seconds of the collections of younger objects since the last full one."""

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """What `gc.callbacks` calls before and after a collection."""
        generation = info["generation"]
        if not generation:
            return
        if phase == "start":
            if generation == 2 and self._frozen == _TIMES:
                self.thaw()
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        if generation == 1:
            self._looked(took)
            return
        self._younger = 0.0
        if took > _LONG:
            gc.freeze()
            self._frozen += 1

    def _looked(self, took: float) -> None:
        self._younger += took
        # The third threshold is 0 where Python looks at the old objects a few at a time, and no full one comes.
        if self._younger > _LONG and gc.get_threshold()[2]:
            with suppress(RuntimeError):  # there is no loop in this thread
                asyncio.get_running_loop().call_soon(gc.collect)
                self._younger = 0.0

    def thaw(self) -> None:
        """Have the next full collection look at everything."""
        gc.unfreeze()
        self._frozen = 0


_PAUSES = ShortPauses()
_users = 0


@contextmanager
def short_pauses() -> Iterator[None]:
    """Keep them short meanwhile, for the whole process; one such block may be within another.

    A program that has frozen something or disabled the collector before looks after that itself, and is left alone. At
    the end of the last block all is thawed, what others have frozen meanwhile, too.
    """
    global _users
    if not _users and (gc.get_freeze_count() or not gc.isenabled()):
        yield
        return
    if not _users:
        gc.callbacks.append(_PAUSES)
    _users += 1
    try:
        yield
    finally:
        _users -= 1
        if not _users:
            gc.callbacks.remove(_PAUSES)
            _PAUSES.thaw()
