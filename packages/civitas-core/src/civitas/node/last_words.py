"""`LastWords`: an agent that is being stopped does not wait for one that is down.

That one may be started again only when the other has ended: a supervisor that restarts a group stops all of it first.
Without this, the stop would take the whole `shutdown_timeout`, for an answer that cannot come before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from civitas.errors import AgentTerminated, NodeDown
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
        self.is_alive: Callable[[str], Awaitable[bool]] = node.is_alive
        """Says of an agent of another process whether it runs."""
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
        elif "/" not in name:  # a conversation wakes where its pool runs
            self._node._background(self._look(name))

    def _asks_late(self, asker: str, id: str, name: str) -> None:
        self._node.loop.call_soon(self._asks, asker, id, name)  # the ask is about to begin

    async def _look(self, name: str) -> None:
        try:
            alive = await self.is_alive(name)
        except NodeDown:
            return  # this process ends
        if not alive:
            self._end(name)

    def exited(self, name: str) -> None:
        """An agent here that is waited for may be down."""
        cell = self._node.registry.get(name)
        if cell is None or self._is_down(cell):
            self._end(name)

    def _end(self, name: str) -> None:
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
