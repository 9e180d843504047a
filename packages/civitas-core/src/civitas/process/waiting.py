"""`wait_in_thread`: how a plain `def` handler waits for a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from civitas.errors import ConfigurationError
from civitas.message.envelope import shown
from civitas.process.current import blocks_a_thread, running_loop

__all__ = ["wait_in_thread"]

_Result = TypeVar("_Result")


def wait_in_thread(
    agent: str,
    loop_of: Callable[[], asyncio.AbstractEventLoop],
    coroutine: Coroutine[Any, Any, _Result],
) -> _Result:
    """Run a coroutine on the event loop of an agent, and wait in this thread for its result.

    Args:
        agent: Its name.
        loop_of: Finds the event loop; may raise.
        coroutine: The coroutine; closed where it cannot run.

    Raises:
        ConfigurationError: It is not a coroutine, or this is the thread of the event loop.
    """
    if not asyncio.iscoroutine(coroutine):
        raise ConfigurationError(
            f"{agent!r}: run() takes a coroutine, as in self.run(self.ask(...)); got {shown(coroutine)}"
        )
    try:
        loop = loop_of()
        if running_loop() is loop:
            raise ConfigurationError(
                f"{agent!r} called run() on the event loop, which it would block; use await there"
            )
    except BaseException:
        coroutine.close()
        raise
    token = blocks_a_thread.set(True)
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    finally:
        blocks_a_thread.reset(token)
