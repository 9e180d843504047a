"""What came from other nodes for agents of this one, or to be handed on from here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from civitas.cluster.frames import Kind
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.letters.outgoing import Outgoing
from civitas.cluster.peers import Peer, Peers
from civitas.errors import (
    AgentTerminated,
    AskCycle,
    DeliveryError,
    HandlerFailed,
    PayloadError,
    UnknownAgent,
)
from civitas.events import DeadLetterReason
from civitas.message import Message, loads
from civitas.message.large import Large
from civitas.node import Origin, Recipient
from civitas.process import Cell

__all__ = ["Incoming", "Receivers", "Route"]

Route = Callable[[str, Message], Recipient]
"""The agent that a message to a name is for; raises `UnknownAgent` or `AgentTerminated` if there is none."""


class Receivers(Protocol):
    """Those of this node who receive."""

    foreign: dict[str, Origin]
    awaits: Callable[[str], bool]
    """Whether somebody here waits for the answer to a message, by its id."""

    def refuse(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to `request` that there is none, and why."""

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""

    def settle(self, message: Message) -> object:
        """Nobody here has anything to do with a message any more."""

    def forget_records(self, message: Message) -> None:
        """Drop what is recorded for a message that is finished."""

    def refuse_while_down(self, cell: Recipient, asker: str) -> None:
        """Let an agent that is being stopped not wait for one that is down; raises `AgentTerminated`."""


class Incoming:
    """Puts what comes where it belongs, and remembers where it came from.

    Args:
        receivers: Those of this node.
        peers: The other nodes.
        back: The way back to them.
        cycles: Finds asks that would wait for themselves.
        route: Finds the agent for a message.
        outgoing: Hands on what is for an agent of a third node; None if nothing is handed on.
    """

    def __init__(
        self,
        receivers: Receivers,
        peers: Peers,
        back: Back,
        cycles: Cycles,
        route: Route,
        outgoing: Outgoing | None,
    ) -> None:
        self.back = back
        self.withdrawn: Callable[[str, str, bool], None] = _nobody_reads
        """Hears of a message that was withdrawn and did not come yet: agent, id, and whether a stream is unread."""
        self.asker_elsewhere: Callable[[str], FromPeer | None] = lambda message_id: None
        """Who asked in another process by a message that is kept in the state store, by its id."""
        self.has_left: Callable[[Peer], None] = lambda peer: None
        """Called when a node is gone."""
        self._receivers = receivers
        self._peers = peers
        self._cycles = cycles
        self._route = route
        self._outgoing = outgoing

    def message(
        self,
        peer: Peer,
        to: str,
        raw: bytes | Large,
        asker: str | None,
        given: int,
        node: str,
        hold: bool,
        shuts_down: bool,
    ) -> None:
        """Take a message.

        Args:
            peer: The node it came from.
            to: The agent that it is for.
            raw: The message.
            asker: The agent that waits for its answer.
            given: To how many incarnations it was given before.
            node: Where that asker runs.
            hold: Whether its sender waits for this node to have it.
            shuts_down: Whether the asker is being stopped.
        """
        message = loads(raw)
        if hold:
            self.back.receipts.has(peer, message.id)
        if self._has_it_from_one_that_is_gone(message.id, peer, asker):
            return
        origin = FromPeer(peer, message, self.back)
        self._receivers.foreign[message.id] = origin
        try:
            cell = self._route(to, message)
            if shuts_down and asker is not None:
                self._receivers.refuse_while_down(cell, asker)
            origin.asker = asker
            if isinstance(cell, Cell):
                self._deliver(origin, cell, given, node)
            else:
                self._hand_on(origin, cell, to)
        except PayloadError as error:
            # In the format of this node it is larger than in that of its sender.
            self._receivers.refuse(message, HandlerFailed(to, "PayloadError", str(error)))
            self._receivers.dead_letter(message, DeadLetterReason.CRASHED)
        except DeliveryError as error:
            self._receivers.refuse(message, error)
            if isinstance(error, AskCycle):
                self._receivers.settle(message)
            else:
                unknown = isinstance(error, UnknownAgent)
                self._receivers.dead_letter(
                    message, DeadLetterReason.UNKNOWN if unknown else DeadLetterReason.TERMINATED
                )

    def _has_it_from_one_that_is_gone(self, id: str, peer: Peer, asker: str | None) -> bool:
        """Whether an agent here has a message already, by way of a root that is gone: the next one hands it on again.

        What becomes of it is for that one from now on.
        """
        origin = self._receivers.foreign.get(id)
        if not isinstance(origin, FromPeer):
            return False
        if not (origin.peer.gone or (origin.peer is peer and self._peers.is_heir(peer))):
            return False
        if not isinstance(origin.cell, Cell):
            return False
        origin.peer, origin.asker = peer, asker
        return True

    def _deliver(self, origin: FromPeer, cell: Cell, given: int, node: str) -> None:
        origin.cell = cell
        message, asker = origin.message, origin.asker
        if asker is not None:
            circle = self._cycles.follow(message.id, node, [asker, cell.name])
            if circle is not None:
                raise AskCycle(circle[0])
        if given:
            cell.was_given(message.id, given)
        if not cell.entry.offer(message):
            cell.entry.push(message)  # its sender holds to the bound

    def _hand_on(self, origin: FromPeer, each: Recipient, to: str) -> None:
        if self._outgoing is None or not isinstance(each, Elsewhere):
            raise UnknownAgent(to)  # it was here when it was sent
        if each.facts.closed:
            raise AgentTerminated(each.name, each.facts.closed)
        if origin.asker == each.name:
            raise AskCycle([origin.asker, to])
        self._outgoing.hand_on(origin, each)

    def hold(self, peer: Peer, raw: bytes | Large) -> None:
        """Hold what one agent of `peer` sends to another there, until that is finished with it."""
        if self._outgoing is None:
            return  # members send this to the root alone
        message = loads(raw)
        self.back.receipts.has(peer, message.id)
        try:
            each = self._route(message.recipient, message)
        except DeliveryError:
            return  # that agent is gone, and its process says so
        if isinstance(each, Elsewhere):
            self._outgoing.hold_for(message, each)

    def came_from(self, peer: Peer, message: Message, cell: Recipient | None) -> None:
        """A node that has a message must hear what becomes of it here."""
        self._receivers.foreign[message.id] = FromPeer(peer, message, self.back, cell)

    def moved(self, peer: Peer, messages: Iterable[Message]) -> None:
        """Put what stood here for an agent that this node hosts now where it belongs.

        Args:
            peer: The node that hears what becomes of those that came from elsewhere.
            messages: They.
        """
        for message in messages:
            cell = self._route(message.recipient, message)
            if message.id in self._receivers.foreign:
                self.came_from(peer, message, cell)
            cell.entry.push(message)

    def withdraw(self, _: Peer, to: str, message_id: str, reader_left: bool) -> None:
        """Whoever asked there is gone."""
        origin = self._receivers.foreign.get(message_id)
        if isinstance(origin, FromPeer):
            origin.withdraw(reader_left)
        elif origin is None:
            self.withdrawn(to, message_id, reader_left)

    def room(self, _: Peer, message_id: str, taken: int) -> None:
        """A reader there took so many chunks."""
        origin = self.asker_elsewhere(message_id) or self._receivers.foreign.get(message_id)
        if not isinstance(origin, FromPeer):
            return
        if not origin.handed_on:
            origin.room(taken)
        elif isinstance(origin.cell, Elsewhere):
            producer = self._peers.get(origin.cell.boot or "")
            if producer is not None:
                producer.signal(Kind.ROOM, message_id, taken)

    def passes(self, peer: Peer, heir: Peer, sent_by: Container[str] | None = None) -> None:
        """What becomes of what came from one node is for another from now on.

        Args:
            peer: The one.
            heir: The other.
            sent_by: Only of what was sent by nodes with these boot ids; None for all.
        """
        for origin in self._receivers.foreign.values():
            if not isinstance(origin, FromPeer) or origin.peer is not peer:
                continue
            if sent_by is None or origin.boot in sent_by:
                origin.peer = heir

    def left(self, peer: Peer) -> None:
        """A node is gone: nobody there waits for an answer any more."""
        self.has_left(peer)
        for origin in list(self._receivers.foreign.values()):
            if not isinstance(origin, FromPeer) or origin.peer is not peer:
                continue
            if self._outgoing is None or not self._outgoing.take_back(origin):
                origin.left()


def _nobody_reads(name: str, message_id: str, reader_left: bool) -> None: ...
