"""What is said of the start of an agent: what came of it, and that it takes long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["has_started", "named_when_slow"]

logger = logging.getLogger("civitas")

_LONG = 5.0
"""Seconds after which a start is said to take long."""


@contextmanager
def named_when_slow(name: str) -> Iterator[None]:
    """Say once that the agent `name` has not started yet, when the block takes longer than 5 s."""
    loop = asyncio.get_running_loop()
    said = loop.call_later(
        _LONG,
        logger.warning,
        "the start is waiting for agent %r: its on_start has not returned after %g s",
        name,
        _LONG,
    )
    try:
        yield
    finally:
        said.cancel()


def has_started(started: asyncio.Future[None], error: Exception | None = None) -> None:
    """Tell whoever waits for a start what came of it; it may have stopped waiting, and the start be undone for that."""
    if started.done():
        return
    if error is None:
        started.set_result(None)
    else:
        started.set_exception(error)
