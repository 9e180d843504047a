"""Keeps dead letters at the broker, before it forgets the messages that they were."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from civitas.cluster.durable.entries import KeptEntry, KeptName, KeptPool
from civitas.cluster.durable.origin import FromMailbox
from civitas.cluster.letters.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.letters.origin import FromPeer
from civitas.errors import ConfigurationError
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer
from civitas.node import Registry
from civitas.node.dead.letters import agent_of, dead_letter_of, is_worth_keeping
from civitas.transport.dead_letters import DeadLetterBox

__all__ = ["Burying"]

logger = logging.getLogger("civitas")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds before what the broker did not take is put again."""
_LAST_WORDS = 2.0
"""Seconds for the last ones to be kept when the node ends."""


class Burying:
    """The dead letters of one node.

    Args:
        serializer: The format of messages.
        registry: Knows whose messages the broker keeps.
        foreign: Where the messages that agents of the node have came from, by their ids.
    """

    def __init__(
        self, serializer: Serializer, registry: Registry, foreign: Mapping[str, object]
    ) -> None:
        self._serializer = serializer
        self._registry = registry
        self._foreign = foreign
        self.box: DeadLetterBox | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, box: DeadLetterBox) -> None:
        """Keep them from now on."""
        self.box = box

    async def keep(self, message: Message, reason: DeadLetterReason) -> None:
        """Keep one, however long the broker takes: its mailbox forgets it only then."""
        assert self.box is not None  # it is open
        letter = dead_letter_of(message, reason, self._serializer)
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.box.keep(letter)
            except ConfigurationError as error:
                logger.warning("a dead letter of %r is not kept yet: %s", letter.agent, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def lost(self, message: Message, reason: DeadLetterReason) -> None:
        """Keep one that is in no mailbox: a reply that came too late, or a message that never got into one."""
        kept = self.box is not None and self._is_kept(agent_of(message, reason))
        if kept and is_worth_keeping(message, reason):
            task = asyncio.get_running_loop().create_task(self.keep(message, reason))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def keeps(self, message: Message, reason: DeadLetterReason) -> bool:
        """Whether the broker keeps a dead letter: that of a mailbox, or of an agent or pool that has one."""
        origin = self._foreign.get(message.id)
        if isinstance(origin, FromPeer) and isinstance(origin.kept, FromMailbox):
            return True
        return self.box is not None and self._is_kept(agent_of(message, reason))

    def _is_kept(self, name: str) -> bool:
        registry = self._registry
        found = registry.get(name) or registry.pools.get(name)
        if isinstance(found, Elsewhere | ElsewherePool) and found.facts.behind:
            name = found.facts.behind  # the mailbox is that of the name
        cell, several = registry.get(name), registry.pools.get(name) or registry.groups.get(name)
        if cell is not None:
            return isinstance(cell.entry, KeptEntry)
        if isinstance(several, ElsewherePool):
            return bool(several.facts.mailbox)
        return isinstance(several, KeptPool | KeptName)

    async def close(self) -> None:
        """Keep the last ones, and nothing more."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        box, self.box = self.box, None
        if box is not None:
            await box.close()
