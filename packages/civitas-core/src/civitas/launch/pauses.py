"""Keeps the pauses of Python's garbage collector short in the programs that are ours."""

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
                gc.unfreeze()
                self._frozen = 0
            self._began = time.thread_time()
        elif time.thread_time() - self._began > _LONG:
            gc.freeze()
            self._frozen += 1


@contextmanager
def short_pauses() -> Iterator[None]:
    """Keep them short meanwhile. For a whole program: what others have frozen is thawed at the end, too."""
    keep = ShortPauses()
    gc.callbacks.append(keep)
    try:
        yield
    finally:
        gc.callbacks.remove(keep)
        gc.unfreeze()
