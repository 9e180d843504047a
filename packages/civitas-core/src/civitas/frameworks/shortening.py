"""`Shortening`: leaves the newest messages of long conversations that nobody uses, in the background of their agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from civitas.errors import StateConflict
from civitas.frameworks.conversations import CONVERSATION
from civitas.frameworks.recent import RecentRecords
from civitas.process.steps import STEPS
from civitas.state.heads import may_be_longer
from civitas.state.in_order import is_piece, read_many

if TYPE_CHECKING:
    from civitas.process import Runner
    from civitas.state import StateStore

__all__ = ["Shortening"]

logger = logging.getLogger("civitas")

_EVERY = 3600.0
"""Seconds between two passes; what is used meanwhile is shortened by its turns."""
_LOOK = 0.05
"""Seconds between two looks whether the agent has started."""
_AT_ONCE = 200


class ShortenedAgent(Protocol):
    """A `FrameworkAgent`, as what shortens its conversations sees it."""

    name: str
    durable: bool
    _civitas_family: str

    @property
    def store(self) -> StateStore:
        """Where they are kept."""

    async def shorten_kept(self, conversation: str, longest: int) -> None:
        """Leave the newest messages of one."""

    def _civitas_running(self) -> Runner: ...


class Shortening:
    """Goes through the conversations of an agent, from its start to its end.

    Of the agents behind one name, such as the conversations of a pool, one does it for all in its OS process.

    Args:
        agent: The agent, which is about to start.
        longest: How many messages a conversation keeps.
    """

    def __init__(self, agent: ShortenedAgent, longest: int) -> None:
        self._agent = agent
        self._longest = longest
        self._runner = agent._civitas_running()
        self._recent = RecentRecords.of(self._runner.node)
        self._prefix = f"{CONVERSATION}{agent._civitas_family}/"

    def begin(self) -> tuple[asyncio.Task[None], Callable[[], Awaitable[None]]]:
        """Begin; returns what ends it, too."""
        task = self._runner.node.loop.create_task(self._go_on())

        async def end() -> None:
            task.cancel()
            await asyncio.wait({task})

        return task, end

    async def _go_on(self) -> None:
        while not self._runner.now.serving:
            await asyncio.sleep(_LOOK)
        while not self._runner.now.over:
            if self._recent.is_due(self._prefix, _EVERY):
                await self._try_all()
            await asyncio.sleep(_EVERY)

    async def _try_all(self) -> None:
        try:
            await self.shorten_all()
        except Exception as error:
            logger.warning(
                "agent %r: its long conversations could not be shortened, which their next turns do: %s",
                self._agent.name,
                error,
            )
        except asyncio.CancelledError:
            self._recent.is_due_again(self._prefix)  # for another one behind the name
            raise

    async def shorten_all(self) -> None:
        """Go through all of them once."""
        store: Any = self._agent.store
        listed = getattr(store, "keys", None)
        keys = [key for key in await listed(self._prefix) if not is_piece(key)] if listed else []
        for begin in range(0, len(keys), _AT_ONCE):
            heads = await read_many(store, keys[begin : begin + _AT_ONCE])
            for key, head in heads.items():
                if may_be_longer(head, self._longest):
                    await self._shorten(store, key)

    async def _shorten(self, store: Any, key: str) -> None:
        with self._recent.holding(key) as held:
            # A durable run that is to go on would not find what it began with.
            if held and not (self._agent.durable and await self._has_unfinished_runs(store)):
                try:
                    await self._agent.shorten_kept(key.removeprefix(self._prefix), self._longest)
                except StateConflict:
                    logger.debug("conversation %r is used elsewhere, and left alone", key)

    async def _has_unfinished_runs(self, store: Any) -> bool:
        return bool(await store.keys(f"{STEPS}{self._agent._civitas_family}"))
