"""What a command does when its process may not go on: it waits, or begins again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from civitas.cli.signals import StopSignals, leave
from civitas.launch import Vitals, fence_of, start_over

__all__ = ["begin_again_if_lost"]

_LAST_LINE = 1.0
"""Seconds for the reason to be printed."""


def begin_again_if_lost(
    loop: asyncio.AbstractEventLoop,
    signals: StopSignals,
    vitals: Vitals,
    say: Callable[[str], object],
) -> None:
    """Begin the program again before anything else is done, once its fence is lost.

    Args:
        loop: One with a fence.
        signals: One that came while it is held up ends the program.
        vitals: A program that is held up is not dead.
        say: Prints the reason.
    """
    fence = fence_of(loop)
    assert fence is not None  # it is our loop

    def lost(why: str) -> None:
        # In a thread: what this interrupted may hold what is needed to print a line.
        saying = threading.Thread(target=say, args=[why], daemon=True)
        saying.start()
        saying.join(_LAST_LINE)
        start_over()

    def held_up() -> None:
        vitals.turned()
        if signals.received:  # nothing can be drained
            leave(0)

    fence.on_lost, fence.on_held_up = lost, held_up
    fence.check_when_continued()
