"""`DeadLetters`: what a runtime offers about the messages that nobody will handle."""

from __future__ import annotations

from civitas.cluster.durable.letter_box import BrokerLetters
from civitas.errors import ConfigurationError, UnknownDeadLetter
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.node import Node
from civitas.node.acting import Actions
from civitas.node.dead.info import DeadLetterInfo, info_of
from civitas.node.dead.kept import KeptLetter
from civitas.node.dead.letters import again
from civitas.node.dead.saved import SavedLetters
from civitas.node.requests import keeps_runs
from civitas.process.choosing import choose
from civitas.process.options import positive
from civitas.runtime.equipment import Equipment
from civitas.transport.dead_letters import DeadLetter

__all__ = ["DeadLetters"]

_PATIENCE = 5.0
"""Seconds that a replay waits for room in the mailbox of its agent."""


class DeadLetters:
    """Looks at the dead letters of a running system, hands them out again, and forgets them.

    The root keeps them; those of the agents whose messages a broker keeps are there.

    Args:
        node: The root node.
        actions: Says who did what.
        equipment: What opens with the system.
        most: How many the root keeps.
        system: Name of the system.
    """

    def __init__(
        self, node: Node, actions: Actions, equipment: Equipment, most: int, system: str
    ) -> None:
        self._node = node
        self._actions = actions
        self._kept = node.dead
        self._kept.most = int(positive(most, "dead_letters", whole=True, zero=True))
        self._replaying: set[int] = set()
        equipment.dead = SavedLetters(self._kept, node.store, system)

    async def list(
        self,
        agent: str | None = None,
        reason: DeadLetterReason | str | None = None,
        *,
        payload: bool = False,
    ) -> list[DeadLetterInfo]:
        """The messages that nobody will handle: those that a broker keeps, then those that the root keeps.

        Args:
            agent: Only those of this agent, or pool.
            reason: Only those of this reason.
            payload: Whether each has its payload.

        Returns:
            The dead letters, oldest first.
        """
        chosen = "" if reason is None else str(choose(DeadLetterReason, reason, "reason"))
        found = []
        if (broker := self._broker()) is not None:
            found = [
                info_of(each, payload=payload) async for each in broker.all(agent or "", chosen)
            ]
        return found + [
            info_of(each, payload=payload)
            for each in self._kept.all()
            if agent in (None, each.agent) and chosen in ("", each.reason)
        ]

    async def show(self, key: int | str) -> DeadLetterInfo:
        """Everything about one dead letter, with the payload of its message.

        Args:
            key: Its number, or the id of its message.

        Raises:
            UnknownDeadLetter: It is not there.
        """
        return info_of(await self._find(key), payload=True)

    async def replay(self, key: int | str) -> None:
        """Put a message into the mailbox of its agent again, and forget the dead letter.

        It is a new delivery of the same message: with its id, its conversation and the name of its run. Nobody waits
        for its answer, and it has no deadline. If it cannot be put there the dead letter stays.

        Args:
            key: Its number, or the id of its message.

        Raises:
            UnknownDeadLetter: It is not there, or somebody else is replaying it.
            UnknownAgent: Nobody has the name of its agent now.
            AgentTerminated: Its agent is stopped.
            MailboxFull: The mailbox of its agent is full.
            ConfigurationError: It is a reply that came too late: nobody waits for it.
        """
        letter = await self._find(key)
        if isinstance(letter, KeptLetter):
            await self._replay(letter)
        else:
            broker = self._broker()
            assert broker is not None  # it is there
            await broker.replay(letter)
        self._actions.done("replay", letter.agent)

    async def drop(self, key: int | str) -> bool:
        """Forget a dead letter, and the message with it; False if it is not there.

        Args:
            key: Its number, or the id of its message.
        """
        try:
            letter = await self._find(key)
        except UnknownDeadLetter:
            return False
        dropped = self._kept.drop(letter.number)
        if not dropped and (broker := self._broker()) is not None:
            dropped = await broker.drop(letter.number)
        if dropped:
            self._actions.done("drop", letter.agent)
        return dropped

    async def _find(self, key: int | str) -> KeptLetter | DeadLetter:
        given: object = key
        if not isinstance(given, (int, str)) or isinstance(given, bool):
            raise ConfigurationError(
                f"the key of a dead letter must be its number or the id of its message; got {key!r}"
            )
        text = str(key)
        letter: KeptLetter | DeadLetter | None = None
        if text.isdigit():
            letter = self._kept.get(int(text))
        else:
            same = [each for each in self._kept.all() if each.message.id == text]
            letter = same[-1] if same else None  # the newest, if it was replayed before
        if letter is None and (broker := self._broker()) is not None:
            letter = await broker.find(text)
        if letter is None:
            raise UnknownDeadLetter(text)
        return letter

    def _broker(self) -> BrokerLetters | None:
        box = self._kept.at_broker()
        return None if box is None else BrokerLetters(box)

    async def _replay(self, letter: KeptLetter) -> None:
        number = letter.number
        if number in self._replaying or number not in self._kept:
            raise UnknownDeadLetter(str(number))
        message = again(letter.message, letter.reason, number)
        if not self._node.open:
            raise ConfigurationError(
                f"number {number} was not replayed: the system is stopping, or is not running. Start it first"
            )
        self._replaying.add(number)
        try:
            await self._put(message)
            self._kept.drop(number)
        finally:
            self._replaying.discard(number)

    async def _put(self, message: Message) -> None:
        cell = self._node.registry.route(message.recipient, message.conversation, message.id)
        if not keeps_runs(cell):
            message = message.replaced(run_name=None)
        if not cell.entry.offer(message):
            await cell.entry.put(message, _PATIENCE)
