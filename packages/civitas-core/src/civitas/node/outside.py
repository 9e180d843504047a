"""`Outside`: whether work from outside is taken, and what those who bring it are told otherwise."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from functools import partial
from typing import Protocol

from civitas.errors import AgentTerminated, ConfigurationError
from civitas.node.asks import PendingAsks
from civitas.node.registry import Registry

__all__ = ["Outside"]


class TakesWork(Protocol):
    """The node."""

    open: bool
    stops: bool
    registry: Registry
    asks: PendingAsks
    loop: asyncio.AbstractEventLoop


class Outside:
    """Refuses what comes from outside while nothing is taken from there.

    Args:
        node: The node.
    """

    def __init__(self, node: TakesWork) -> None:
        self._node = node
        self._over = ""
        """Why nobody answers any more, if the tree ends by itself."""

    def begin(self) -> None:
        """A tree has started."""
        self._over = ""

    def end(self, why: str) -> None:
        """The tree ends by itself: nobody out there gets an answer any more, from what is at work either."""
        self._over, self._node.open = why, False
        self._node.asks.refuse_outside(partial(AgentTerminated, why=why))

    def check(self, to: str = "") -> None:
        """Raise why nothing is taken for the agent `to`, or on this loop, if that is so.

        Until Python 3.12, looking up the running loop is a system call; so who calls this looks first at what comes to
        the same for nearly all.

        Raises:
            AgentTerminated: The tree has ended by itself.
            ConfigurationError: The system does not run, or is stopping; or the caller runs on another loop.
        """
        node = self._node
        ends = self._over if not node.stops else ""
        if not (node.open or ends):
            raise ConfigurationError(
                "the runtime accepts no work: it has not been started, or it is stopping. "
                "Use it inside `async with Runtime(...)`"
            )
        if get_running_loop() is not node.loop:
            raise ConfigurationError(
                "the runtime runs on another event loop; call it there, as with "
                "asyncio.run_coroutine_threadsafe(runtime.ask(...), loop)"
            )
        if ends and node.registry.has(to):
            raise AgentTerminated(to, ends)
