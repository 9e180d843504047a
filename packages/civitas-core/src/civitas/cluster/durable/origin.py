"""The broker as the origin of a message: what becomes of that is told whoever sent it, and then the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from civitas.cluster.letters.origin import DeliveryCount, FromPeer
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.transport.mailboxes import Letter

if TYPE_CHECKING:
    from civitas.cluster.letters.origin import Back
    from civitas.cluster.peers import Peer

__all__ = ["FromMailbox"]


class FromMailbox:
    """What was read from a mailbox and is not finished.

    Args:
        peer: The node that put it there.
        message: The message.
        back: The way back to that node.
        letter: What was read.
        key: Its conversation, where each has its own line.
        over: Called when it is finished.
        others_are_out: Called with the key: what to wait for until all that was finished of it is out of the mailbox.
    """

    __slots__ = (
        "_begun",
        "_deliveries",
        "_others_are_out",
        "_over",
        "confirmed",
        "dead",
        "key",
        "letter",
        "origin",
    )

    def __init__(
        self,
        peer: Peer,
        message: Message,
        back: Back,
        letter: Letter,
        key: str,
        over: Callable[[FromMailbox], None],
        others_are_out: Callable[[str], Awaitable[None] | None],
    ) -> None:
        self.origin = FromPeer(peer, message, back, kept=self)
        """The node that put it there hears of an answer."""
        self.letter = letter
        self.key = key
        self.dead: tuple[Message, DeadLetterReason] | None = None
        """The message as it was last, and why nobody will handle it, if that is so."""
        self.confirmed: asyncio.Future[bool] | None = None
        """Whether the broker surely does not deliver it again; made where somebody waits for that."""
        self._deliveries: DeliveryCount = back.deliveries
        self._over = over
        self._others_are_out = others_are_out
        self._begun = 0

    def began(self, agent: str) -> Awaitable[None] | None:
        """Count this delivery; see `Origin.began`.

        The root finds out which message was in hand when a process of another machine died; it need only be told of
        those that several incarnations there were given.
        """
        self._begun += 1
        id = self.origin.message.id
        if self._deliveries.reads:
            return self._deliveries.begun(agent, id, kept=True)
        if self._begun > 1:
            return self._deliveries.begun(agent, id, kept=True)
        return self._others_are_out(self.key)

    def settled(self) -> None:
        """Let the broker forget it, after the answer has arrived; see `Origin.settled`."""
        self._deliveries.finished(self.origin.message.id)
        self._over(self)

    async def heard(self) -> bool:
        """Wait until the broker has forgotten it; see `Origin.heard`."""
        self.confirmed = asyncio.get_running_loop().create_future()
        return await self.confirmed

    def forgotten(self) -> None:
        """The broker has forgotten it, and so may be forgotten to how many incarnations it was given."""
        self._deliveries.forgotten(self.origin.message.id)

    def let_go(self) -> None:
        """It stays in the mailbox: this process ends."""
        if self._begun:
            self._deliveries.put_back(self.origin.message.id)
        if self.confirmed is not None and not self.confirmed.done():
            self.confirmed.set_result(False)
