"""Keeps dead letters at the broker, before it forgets the messages that they were."""

from __future__ import annotations

import asyncio
import logging

from civitas.cluster.dead_letters import agent_of, dead_letter_of
from civitas.cluster.durable.entries import KeptEntry, KeptPool
from civitas.cluster.letters.elsewhere import ElsewherePool
from civitas.errors import ConfigurationError
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer
from civitas.node import Registry
from civitas.transport.dead_letters import DeadLetterBox

__all__ = ["Burying"]

logger = logging.getLogger("civitas")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds before what the broker did not take is put again."""
_LAST_WORDS = 2.0
"""Seconds for the last ones to be kept when the node ends."""
_OWN = "civitas."
"""What the types of messages begin with that the system itself sends."""


class Burying:
    """The dead letters of one node.

    Args:
        serializer: The format of messages.
        registry: Knows whose messages the broker keeps.
    """

    def __init__(self, serializer: Serializer, registry: Registry) -> None:
        self._serializer = serializer
        self._registry = registry
        self._box: DeadLetterBox | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, box: DeadLetterBox) -> None:
        """Keep them from now on."""
        self._box = box

    async def keep(self, message: Message, reason: DeadLetterReason) -> None:
        """Keep one, however long the broker takes: its mailbox forgets it only then."""
        assert self._box is not None  # it is open
        letter = dead_letter_of(message, reason, self._serializer)
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._box.keep(letter)
            except ConfigurationError as error:
                logger.warning("a dead letter of %r is not kept yet: %s", letter.agent, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def lost(self, message: Message, reason: DeadLetterReason) -> None:
        """Keep one that is in no mailbox: a reply that came too late, or a message that never got into one."""
        is_chunk = reason is DeadLetterReason.NO_READER and message.correlation_id is not None
        if self._box is None or is_chunk or message.type.startswith(_OWN):
            return
        if self._is_kept(agent_of(message, reason)):
            task = asyncio.get_running_loop().create_task(self.keep(message, reason))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_kept(self, name: str) -> bool:
        """Whether the broker keeps the messages of an agent or pool."""
        cell, pool = self._registry.get(name), self._registry.pools.get(name)
        if cell is not None:
            return isinstance(cell.entry, KeptEntry)
        if isinstance(pool, ElsewherePool):
            return bool(pool.facts.mailbox)
        return isinstance(pool, KeptPool)

    async def close(self) -> None:
        """Keep the last ones, and nothing more."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        box, self._box = self._box, None
        if box is not None:
            await box.close()
