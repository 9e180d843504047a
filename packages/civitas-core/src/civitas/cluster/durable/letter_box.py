"""`BrokerLetters`: the dead letters that a broker keeps, for whoever looks at them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from civitas.cluster.durable.parcels import pack
from civitas.message import Message, Serializer
from civitas.node.dead.letters import message_of, replayed
from civitas.transport.dead_letters import DeadLetter, DeadLetterBox

__all__ = ["BrokerLetters"]


class BrokerLetters:
    """Those of one system, whether it runs or not.

    Args:
        box: Where the broker has them.
    """

    def __init__(self, box: DeadLetterBox) -> None:
        self._box = box

    def all(self, agent: str = "", reason: str = "") -> AsyncIterator[DeadLetter]:
        """Those of an agent, and of a reason, the oldest first; empty for all."""
        return self._box.all(agent, reason)

    async def find(self, key: str) -> DeadLetter | None:
        """That of a number, or of the id of a message: the newest, if it was replayed and became one again."""
        if key.isdigit():
            return await self._box.get(int(key))
        found = None
        async for each in self._box.all():
            if message_of(each).id == key:
                found = each
        return found

    async def replay(self, letter: DeadLetter) -> Message:
        """Put its message into the mailbox of its agent again, and forget the letter.

        Raises:
            ConfigurationError: It cannot be put there; the letter stays.
        """
        message = replayed(letter)
        # No node puts it there, so it has no place in the line of one, and nobody to answer to.
        body = pack(message, Serializer.MSGPACK, "", 0, 0, None)
        await self._box.deliver(letter, message.id, message.conversation or "", body)
        await self._box.drop(letter.number)
        return message

    async def drop(self, number: int) -> bool:
        """Remove one; False if it is not there."""
        return await self._box.drop(number)
