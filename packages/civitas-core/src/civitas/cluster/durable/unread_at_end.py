"""`UnreadAtEnd`: what stays in the mailboxes of the broker when more than one agent ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.cluster.durable.entries import KeptEntry
from civitas.cluster.durable.origin import FromMailbox
from civitas.cluster.letters.origin import FromPeer
from civitas.errors import AgentTerminated, DeliveryError, NodeDown
from civitas.events import DeadLetterReason
from civitas.message import Message
from civitas.process import Cell, Delivery

if TYPE_CHECKING:
    from civitas.cluster.durable.burying import Burying
    from civitas.cluster.letters.incoming import Receivers
    from civitas.cluster.letters.origin import Back

__all__ = ["UnreadAtEnd"]


class UnreadAtEnd:
    """Decides what becomes of the messages that nobody here will handle.

    Args:
        receivers: Those of this node.
        back: The way back to the other nodes.
        burying: Keeps dead letters at the broker.
    """

    def __init__(self, receivers: Receivers, back: Back, burying: Burying) -> None:
        self.ending = False
        """Whether what is not handled any more stays in the mailboxes: the system, or this process, ends."""
        self.passes_on = False
        """Whether another program goes on with that and answers it, so that nothing more is taken out of a mailbox."""
        self._receivers = receivers
        self._back = back
        self._burying = burying

    def reset(self) -> None:
        """The system begins again."""
        self.ending = self.passes_on = False

    def pass_on(self) -> None:
        """Another program goes on with what is left."""
        self.ending = self.passes_on = True

    def keep(self, message: Message, reason: DeadLetterReason) -> bool:
        """Whether a message stays in its mailbox and is not a dead letter, as more than its agent ends."""
        origin = self._receivers.foreign.get(message.id)
        kept = origin.kept if isinstance(origin, FromPeer) else None
        ends = self.ending and reason is DeadLetterReason.TERMINATED
        if not isinstance(kept, FromMailbox):
            if ends and _root_has_it(origin):
                del self._receivers.foreign[message.id]  # so that the root is not told
                self._back.deliveries.put_back(message.id)
                return True
            self._burying.lost(message, reason)
            return False
        if not ends:
            kept.dead = message, reason
            return False
        del self._receivers.foreign[message.id]
        kept.let_go()
        return True

    def is_passed_on(self, message: Message, error: DeliveryError) -> bool:
        """Whether whoever asked does not hear that its agent has ended, as another program answers."""
        if not self.passes_on or not isinstance(error, (AgentTerminated, NodeDown)):
            return False
        origin = self._receivers.foreign.get(message.id)
        kept = origin.kept if isinstance(origin, FromPeer) else None
        return isinstance(kept, FromMailbox) or _root_has_it(origin)

    def outlives(self, cell: Cell) -> bool:
        """Whether the messages of an agent outlive this program."""
        return cell.delivery is Delivery.DURABLE or isinstance(cell.entry, KeptEntry)


def _root_has_it(origin: object) -> bool:
    """Whether the root has handed a message on out of a mailbox, in which it stays until it is finished here."""
    cell = origin.cell if isinstance(origin, FromPeer) else None
    return isinstance(cell, Cell) and cell.delivery != Delivery.AT_MOST_ONCE
