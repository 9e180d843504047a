"""What agents of this node sent to those of others, until they are finished with it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Any, Protocol

from civitas.cluster.facts import Facts
from civitas.cluster.frames import Kind
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.holding import Holder
from civitas.cluster.letters.origin import FromPeer
from civitas.cluster.letters.sizes import check_size
from civitas.cluster.peers import Peer, Peers
from civitas.errors import (
    AgentTerminated,
    AskCycle,
    DeliveryError,
    HandlerFailed,
    NodeDown,
    PayloadError,
)
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer, dumps, load_chunks, loads
from civitas.message.large import Large
from civitas.node import Chunks, Origin, Registry
from civitas.process import Cell, Delivery, Entry
from civitas.process.entry import TakesUnread
from civitas.process.failures import load_error

__all__ = ["Outgoing", "Senders"]

_CHUNKS_AT_ONCE = 25
"""How many chunks a reader reports at once as taken."""


class Senders(Protocol):
    """Those of this node who send: who waits for what."""

    name: str
    registry: Registry
    foreign: dict[str, Origin]
    by_way_of_runtime: dict[str, str]
    """The agents whose handlers wait for asks that the runtime sent for them, by the id of each."""
    hand_answer: Callable[[str, Message | DeliveryError], bool]
    """Hands the answer to a message to whoever waits for it here, by its id; False for nobody."""

    def reader_of(self, message_id: str) -> Chunks | None:
        """Who reads the stream that a message began; None for nobody."""

    def dead_letter(self, message: Message, reason: DeadLetterReason) -> object:
        """Count and report a message that nobody will handle."""

    def settle(self, message: Message) -> object:
        """A message of another node is finished here."""


class Outgoing:
    """What was sent from this node to agents of others, or handed on to them, and is not finished there.

    Args:
        senders: Those of this node.
        peers: The other nodes.
        serializer: The format of messages.
        holder_for: Who must have what is sent to an agent before it is accepted.
        to_be_held: The ids of messages whose sender waits for the other node to have them.
        answered: Called with each answer of an agent that stands behind a name.
    """

    def __init__(
        self,
        senders: Senders,
        peers: Peers,
        serializer: Serializer,
        *,
        holder_for: Callable[[Facts], Holder | None],
        to_be_held: Container[str],
        answered: Callable[[Elsewhere, bytes | Large], None],
    ) -> None:
        self.holder_for = holder_for
        self._senders = senders
        self._peers = peers
        self._serializer = serializer
        self.check: Callable[[Message], None] = partial(check_size, serializer=serializer)
        """Raises `PayloadError` for a message that no frame can carry."""
        self.kept_entry: Callable[[Elsewhere], Entry | None] = _nowhere
        """Where the messages for an agent, or for a conversation, are put if the broker keeps them; otherwise None."""
        self.accepting_entry: Callable[[Elsewhere], Entry | None] = lambda each: None
        """Where the messages for an agent are put if they are kept in the state store; otherwise None."""
        self.asker_elsewhere: Callable[[str], FromPeer | None] = lambda message_id: None
        """Who asked in another process by a message that came out of the state store."""
        self.finished: Callable[[str], None] = lambda message_id: None
        """Called when another node is finished with a message that is kept."""
        self.is_kept: Callable[[str], bool] = lambda message_id: False
        """Whether a message, by its id, is kept until then, beyond this node's life."""
        self.was_given: Callable[[str, int], None] = lambda message_id, times: None
        """Called when the process of an agent is gone that was handling a message, and to how many it was given."""
        self.forgotten: Callable[[str], None] = lambda name: None
        """Called when nothing is on the way any more to a conversation of a pool."""
        self._to_be_held = to_be_held
        self._answered = answered
        self._sent: dict[str, Elsewhere] = {}
        """Where a message stands that another node is not finished with, by its id."""

    # On the way out; see `Way`.

    def post(self, each: Elsewhere, message: Message) -> None:
        """Send a message on its way; where its process is gone it stays in its outbox."""
        peer = self._peers.get(each.boot or "")
        if peer is None:
            return
        self._sent[message.id] = each
        asker, node, shuts_down = None, self._senders.name, False
        if message.reply_to is not None:
            origin = self._asked_elsewhere(message.id) if self._senders.foreign else None
            origin = origin or self.asker_elsewhere(message.id)
            name = message.sender or self._senders.by_way_of_runtime.get(message.id)
            if origin is not None:
                if not origin.peer.gone:
                    asker, node = origin.asker, origin.peer.name
            elif name is not None:
                asker, shuts_down = self._waiting(name, message.id)
        try:
            peer.send(
                Kind.MESSAGE,
                each.name if each.pool is None else each.pool.address(message),
                dumps(message, self._serializer),
                asker,
                each.outbox.times_given.get(message.id, 0),
                node,
                message.id in self._to_be_held,
                shuts_down,
            )
        except PayloadError as error:
            # Who calls this may be a supervisor, and must not fail for a message.
            each.outbox.settled(message.id)
            self.give_up(
                message,
                HandlerFailed(each.name, "PayloadError", str(error)),
                DeadLetterReason.CRASHED,
            )

    def _waiting(self, name: str, message_id: str) -> tuple[str | None, bool]:
        """The agent of that name where it waits for the answer to a message, and whether it is being stopped."""
        sender = self._senders.registry.get(name)
        if sender is None or message_id not in sender.asking:
            return None, False
        return name, isinstance(sender, Cell) and sender.shuts_down

    def withdrawn(self, each: Elsewhere, message: Message, reader_left: bool) -> None:
        """Whoever asked is gone: let the agent know, or take the message out if it has not left."""
        peer = self._peers.get(each.boot or "")
        if peer is not None and message.id in self._sent:
            peer.send(Kind.WITHDRAW, message.recipient, message.id, reader_left)
        elif isinstance(here := self._senders.registry.get(each.name), Cell):
            here.withdraw(message, reader_left=reader_left)  # it arrived meanwhile
        elif each.facts.mailbox:
            if peer is not None:
                peer.send(Kind.WITHDRAW, message.recipient, message.id, reader_left)
            elif (origin := self._handed_on(message.id)) is not None:
                origin.withdraw(reader_left)
            elif isinstance(
                each.entry, TakesUnread
            ):  # this node reads that mailbox, and has not yet
                each.entry.withdraw_unread(message, reader_left)
        elif reader_left and (there := each.outbox.withdraw(message)) is not None:
            self._senders.dead_letter(there, DeadLetterReason.NO_READER)

    def asker_of(self, message: Message) -> str | None:
        """The agent of this node that waits for the answer to a message; None for nobody."""
        name = message.sender or self._senders.by_way_of_runtime.get(message.id)
        return None if name is None else self._waiting(name, message.id)[0]

    def hand_on(self, origin: FromPeer, each: Elsewhere, times: int = 0) -> None:
        """Send on what came from another node, or out of a mailbox; what becomes of it is handed back there.

        Args:
            origin: Where it came from.
            each: Who is to have it.
            times: To how many incarnations it was given that were lost with their processes.
        """
        origin.cell, origin.handed_on = each, True
        if times:
            each.outbox.times_given[origin.message.id] = times
        # Its sender holds to the bound.
        each.outbox.push(origin.message._answered_by_way_of(self._senders.name))

    def take_back(self, origin: FromPeer) -> bool:
        """Take out again what was to be handed on, as nobody waits for its answer; False if that is too late."""
        each, message = origin.cell, origin.message
        if not isinstance(each, Elsewhere) or message.reply_to is None or each.alive:
            return False
        if (there := each.outbox.withdraw(message)) is None:
            return False
        self._sent.pop(message.id, None)
        self._senders.dead_letter(there, DeadLetterReason.NO_READER)
        return True

    def hold_for(self, message: Message, each: Elsewhere) -> None:
        """Hold what an agent of another process was sent by one beside it, should that process die."""
        self._sent[message.id] = each
        each.outbox.hold_for(message)

    def way_to(self, message_id: str) -> Peer | None:
        """The node that has a message; None if that is gone, or finished with it."""
        each = self._sent.get(message_id)
        return self._peers.get(each.boot or "") if each is not None else None

    def has(self, message_id: str) -> bool:
        """Whether a message stands here that another node is not finished with."""
        return message_id in self._sent

    def move(self, message: Message, times: int, each: Elsewhere) -> None:
        """Send what another was to have to `each` instead: nothing of it is on its way any more.

        Args:
            message: The message.
            times: To how many incarnations it was given whose process was lost with it.
            each: Who has it from now on.
        """
        self._sent.pop(message.id, None)
        origin = self._handed_on(message.id)
        if origin is not None:
            origin.cell = each
        each.outbox.take_over(message, times)

    def is_under_way(self, each: Elsewhere) -> bool:
        """Whether an agent has not finished with something that it was sent."""
        return each in self._sent.values()

    def under_way(self) -> dict[Elsewhere, None]:
        """The agents that something is on the way to."""
        return dict.fromkeys(self._sent.values())

    def close_circle(self, ask_id: str, circle: list[str]) -> None:
        """End an ask of this node that would wait for itself; it takes its message back."""
        self._senders.hand_answer(ask_id, AskCycle(circle))

    # What becomes of it.

    def answered(self, _: Peer, message_id: str, raw: bytes | Large) -> None:
        """There is an answer, so the message is finished, too."""
        each = self._sent.get(message_id)
        if each is not None and each.facts.behind:
            self._answered(each, raw)
        origin = self._asked_elsewhere(message_id) if self._senders.foreign else None
        if origin is None:
            reply = loads(raw)
            if not self._senders.hand_answer(message_id, reply):
                self._senders.dead_letter(reply, DeadLetterReason.LATE_REPLY)
        elif not origin.hand(Kind.ANSWER, raw):
            self._senders.dead_letter(loads(raw), DeadLetterReason.LATE_REPLY)
        self._finish(message_id)

    def refused(self, _: Peer, message_id: str, plain: dict[str, Any]) -> None:
        """There will be no answer; the message is finished."""
        error = load_error(plain)
        if isinstance(error, DeliveryError):
            origin = self._asked_elsewhere(message_id)
            if origin is None:
                self._senders.hand_answer(message_id, error)
            else:
                origin.hand(Kind.REFUSAL, plain)
        self._finish(message_id)

    def settled(self, _: Peer, message_ids: list[str]) -> None:
        """Messages are finished."""
        for id in message_ids:
            self._finish(id)

    def chunk(self, peer: Peer, message_id: str, raw: bytes | Large) -> None:
        """A chunk of a stream came."""
        self._take_chunks(peer, message_id, raw, Kind.CHUNK)

    def chunks(self, peer: Peer, message_id: str, raw: bytes | Large) -> None:
        """Several chunks of a stream came."""
        self._take_chunks(peer, message_id, raw, Kind.CHUNKS)

    def _take_chunks(self, peer: Peer, message_id: str, raw: bytes | Large, kind: Kind) -> None:
        origin = self._asked_elsewhere(message_id) if self._senders.foreign else None
        if origin is not None and origin.pass_chunks(kind, raw):
            return
        came = [loads(raw)] if kind is Kind.CHUNK else load_chunks(raw)
        reader = self._senders.reader_of(message_id) if origin is None else None
        if reader is None:
            for chunk in came:
                self._senders.dead_letter(chunk, DeadLetterReason.NO_READER)
            return

        def taken() -> None:
            reader.untold += 1
            if reader.untold >= _CHUNKS_AT_ONCE:
                peer.signal(Kind.ROOM, message_id, reader.untold)
                reader.untold = 0

        for chunk in came:
            reader.push(chunk, taken)

    def _handed_on(self, message_id: str) -> FromPeer | None:
        """Where a message came from that was handed on from here."""
        origin = self._senders.foreign.get(message_id)
        return origin if isinstance(origin, FromPeer) and origin.handed_on else None

    def _asked_elsewhere(self, message_id: str) -> FromPeer | None:
        """The same, if whoever asked is not here: what this node put into a mailbox it may hand on itself."""
        origin = self._handed_on(message_id)
        own = origin is not None and origin.message.reply_to == self._senders.name
        return None if own else origin

    def _finish(self, message_id: str) -> None:
        each = self._sent.pop(message_id, None)
        if self.is_kept(message_id):
            self.finished(message_id)
        if each is not None:
            each.outbox.settled(message_id)
            if (
                each.turning and each.outbox.idle
                if each.pool is None
                else not each.outbox.is_needed
            ):
                self.idle(each)
        if self._senders.foreign and (origin := self._handed_on(message_id)) is not None:
            self._senders.settle(origin.message)

    def idle(self, each: Elsewhere) -> None:
        """Nothing is on the way any more to a conversation, or to an agent that moved."""
        if each.pool is not None:
            each.pool.forget(each)
            self.forgotten(each.name)
        elif each.turn() and each.boot in self._peers:
            each.outbox.open_way()

    def unheard(self, finished: Mapping[str, int]) -> dict[str, int]:
        """Finish what a process had finished that is gone, if it had no time to say so.

        Args:
            finished: To how many incarnations there each was given, by id.

        Returns:
            The same of those that somebody still waits for, as the answer did not come: they are to be handled again.
        """
        waited_for: dict[str, int] = {}
        for id, times in finished.items():
            each = self._sent.get(id)
            message = each.outbox.find(id) if each is not None else None
            if message is not None and message.reply_to is not None:
                waited_for[id] = times
            else:
                self._finish(id)
        return waited_for

    def lost(self, each: Elsewhere, node: str, why: str, in_hand: Mapping[str, int]) -> None:
        """The process of an agent is gone, with all that it had.

        Args:
            each: The agent.
            node: Its process.
            why: What happened to that.
            in_hand: The messages that agents there were handling, by id, and to how many incarnations there each was
                given.
        """
        box, facts = each.outbox, each.facts
        box.lost()
        if facts.delivery != Delivery.AT_MOST_ONCE and not facts.closed:
            for id, times in in_hand.items():
                if box.find(id) is not None:
                    self.was_given(id, times)
                message = box.given(id, times, facts.max_deliveries)
                if message is not None:
                    down = HandlerFailed(each.name, "NodeDown", f"its process {node!r}: {why}")
                    self.give_up(message, down, DeadLetterReason.MAX_DELIVERIES)
            return
        # What had not left yet, as the process was about to leave, is not lost with it.
        for lost in box.clear(lambda message: message.id in self._sent):
            if facts.closed:
                self.give_up(
                    lost, AgentTerminated(each.name, facts.closed), DeadLetterReason.TERMINATED
                )
            else:
                self.give_up(lost, NodeDown(each.name, node, why), DeadLetterReason.NODE_DOWN)

    def give_up(self, message: Message, error: DeliveryError, reason: DeadLetterReason) -> None:
        """Nobody elsewhere will handle a message that was sent or handed on from here."""
        self._sent.pop(message.id, None)
        if message.reply_to is not None:
            origin = self._asked_elsewhere(message.id)
            if origin is None:
                self._senders.hand_answer(message.id, error)
            else:
                origin.refused(error)
        self._senders.dead_letter(message, reason)


def _nowhere(each: Elsewhere) -> None: ...
