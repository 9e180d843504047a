"""Keeps the pauses of Python's garbage collector short while agents run in this process."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ShortPauses", "short_pauses"]

_LONG = 0.02
"""Seconds of processor time of a full collection after which what it has looked at is left alone."""
_TIMES = 32
"""After how many of these a collection looks at everything again."""


class ShortPauses:
    """Freezes what a long collection has found to be alive.

    A full collection looks at every object there is, and the loop stands meanwhile: 10,000 agents are a third of a
    second. Nearly all of that was there the last time, and will be the next time. So after a collection that took
    long, what is left is frozen: the next one looks at what has come since, and each object costs one pause.

    What is frozen is still freed as soon as nothing refers to it, but not where it refers to itself in a circle. So
    that such circles do not pile up, everything is looked at again after many freezes: what lives on and does not
    grow never gets there.
    """

    def __init__(self) -> None:
        self._frozen = 0
        self._began = 0.0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        """What `gc.callbacks` calls before and after a collection."""
        if info["generation"] < 2:
            return
        if phase == "start":
            if self._frozen == _TIMES:
                self.thaw()
            self._began = time.thread_time()
        elif time.thread_time() - self._began > _LONG:
            gc.freeze()
            self._frozen += 1

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
