"""`LastWords`: an agent that is being stopped does not wait for one that is down.

That one may be started again only when the other has ended: a supervisor that restarts a group stops all of it first.
Without this, the stop would take the whole `shutdown_timeout`, for an answer that cannot come before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from civitas.errors import AgentTerminated, ConfigurationError, NodeDown
from civitas.node.asks import PendingAsks
from civitas.node.registry import Registry
from civitas.node.requests import Requests, why_not
from civitas.process import Cell

__all__ = ["LastWords"]


class AwaitsAnswers(Protocol):
    """The node."""

    registry: Registry
    asks: PendingAsks

    loop: asyncio.AbstractEventLoop

    async def is_alive(self, name: str) -> bool:
        """Whether an incarnation of the agent `name` runs, wherever that is."""

    def _background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]: ...


class LastWords:
    """Ends the asks of agents that are being stopped, where the agent that they wait for is down.

    Args:
        node: The node.
        requests: Says when an agent that is being stopped asks.
    """

    def __init__(self, node: AwaitsAnswers, requests: Requests) -> None:
        self._node = node
        self._is_down = requests.is_down
        requests.asks_late = self._asks_late
        self.goes_down: Callable[[str], Awaitable[object]] = self.until_down
        """Waits until no incarnation of an agent of another process runs."""
        self.watching: dict[str, set[asyncio.Future[None]]] = {}
        """What ends when an incarnation exits, by the name of the agent."""
        self._looking: dict[str, asyncio.Task[object]] = {}
        self.waiting: dict[str, dict[str, str]] = {}
        """Who waits for an agent, while it is being stopped itself: the askers by the ids of their messages."""
        self._ended: set[str] = set()
        """The ids of the messages whose asks were ended."""

    def begin(self, asker: Cell) -> None:
        """An agent is being stopped."""
        for id, name in list(asker.asking.items()):
            self._asks(asker.name, id, name)

    def _asks(self, asker: str, id: str, name: str) -> None:
        if not self._node.asks.when_over(id, lambda: self._is_over(id, name)):
            return
        self.waiting.setdefault(name, {})[id] = asker
        asked = self._node.registry.get(name)
        if isinstance(asked, Cell):
            self.exited(name)
        elif "/" not in name and name not in self._looking:
            # A conversation wakes where its pool runs.
            self._looking[name] = self._node._background(self._look(name))

    def _asks_late(self, asker: str, id: str, name: str) -> None:
        self._node.loop.call_soon(self._asks, asker, id, name)  # the ask is about to begin

    async def _look(self, name: str) -> None:
        try:
            await self.goes_down(name)
        except (NodeDown, ConfigurationError):
            return  # this process ends, or the root is of an older version
        self._end(name)

    async def until_down(self, name: str) -> None:
        """Wait until no incarnation of an agent runs, wherever that is."""
        while True:
            exit: asyncio.Future[None] = self._node.loop.create_future()
            self.watching.setdefault(name, set()).add(exit)
            try:
                if not await self._node.is_alive(name):
                    return
                await exit
            finally:
                watching = self.watching.get(name, set())
                watching.discard(exit)
                if not watching:
                    self.watching.pop(name, None)

    def exited(self, name: str) -> None:
        """An incarnation of an agent has exited."""
        for exit in self.watching.pop(name, ()):
            if not exit.done():
                exit.set_result(None)
        if name in self.waiting and name not in self._looking:
            cell = self._node.registry.get(name)
            if cell is None or self._is_down(cell):
                self._end(name)

    def _end(self, name: str) -> None:
        self._looking.pop(name, None)
        for id, asker in self.waiting.pop(name, {}).items():
            if self._node.asks.answer(id, AgentTerminated(name, why_not(asker))):
                self._ended.add(id)

    def ended(self, id: str) -> bool:
        """Whether it was here that the ask of a message was ended; says so once."""
        ended = id in self._ended
        self._ended.discard(id)
        return ended

    def _is_over(self, id: str, name: str) -> None:
        waiting = self.waiting.get(name)
        if waiting is not None:
            waiting.pop(id, None)
            if not waiting:
                del self.waiting[name]
                if (looking := self._looking.pop(name, None)) is not None:
                    looking.cancel()
