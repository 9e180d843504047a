"""`Letters`: the messages of one node to and from all others, put together of their parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Container, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from civitas.cluster.calls import Calls
from civitas.cluster.facts import Facts
from civitas.cluster.frames import Kind
from civitas.cluster.letters.cycles import Cycles
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.holding import Holder
from civitas.cluster.letters.incoming import Incoming, Receivers, Route
from civitas.cluster.letters.origin import Back, FromBeside
from civitas.cluster.letters.outgoing import Outgoing, Senders
from civitas.cluster.letters.receipts import Receipts
from civitas.cluster.names import Names
from civitas.cluster.next_root import NextRoot
from civitas.cluster.peers import Peer, Peers
from civitas.errors import AgentTerminated, NodeDown
from civitas.events import DeadLetterReason
from civitas.message import Message, Serializer
from civitas.message.large import Large
from civitas.transport.mailboxes import Mailboxes

if TYPE_CHECKING:
    from civitas.cluster.durable.durable import Durable, Renewal

__all__ = ["Letters", "Local"]

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Local(Senders, Receivers, Protocol):
    """The node, as its letters see it."""


def _nobody(facts: Facts) -> None: ...


def _unheard(each: Elsewhere, reply: bytes | Large) -> None: ...


class Letters:
    """The messages of one node to and from all others.

    Args:
        local: The node.
        peers: The other nodes.
        calls: To them.
        serializer: The format of messages.
        loop: Finds the event loop of the node, once that is attached to one.
        route: Finds the agent for a message that came; the registry does where nothing is given.
        hands_on: Whether messages for agents of a third node are handed on.
        holder_for: Who must have what is sent to an agent before it is accepted; by default nobody.
        to_be_held: The ids of messages whose sender waits for the other node to have them.
        answered: Called with each answer of an agent that stands behind a name.
    """

    def __init__(
        self,
        local: Local,
        peers: Peers,
        calls: Calls,
        serializer: Serializer,
        loop: Callable[[], asyncio.AbstractEventLoop],
        *,
        route: Route | None = None,
        hands_on: bool = False,
        holder_for: Callable[[Facts], Holder | None] = _nobody,
        to_be_held: Container[str] = (),
        answered: Callable[[Elsewhere, bytes | Large], None] = _unheard,
    ) -> None:
        registry = local.registry
        self._local = local
        self._peers = peers
        self._calls = calls
        self._heirs: list[tuple[str, NextRoot]] = []
        """By the runs of roots that pass on, whoever comes next."""
        self.out = Outgoing(
            local,
            peers,
            serializer,
            holder_for=holder_for,
            to_be_held=to_be_held,
            answered=answered,
        )
        self.names = Names(local.name, registry, peers, self.out)
        self.cycles = Cycles(
            local.name, registry, peers, local.foreign, self.out.has, self.out.close_circle
        )
        self.back = Back(serializer, Receipts(loop))
        self.into = Incoming(
            local,
            peers,
            self.back,
            self.cycles,
            route or (lambda to, message: registry.route(to, message.conversation, message.id)),
            self.out if hands_on else None,
        )

    @property
    def takes(self) -> dict[Kind, Callable[..., None]]:
        """Who takes the frames that messages are made of."""
        return {
            Kind.MESSAGE: self.into.message,
            Kind.HOLD: self.into.hold,
            Kind.WITHDRAW: self.into.withdraw,
            Kind.ROOM: self.into.room,
            Kind.ANSWER: self.out.answered,
            Kind.REFUSAL: self.out.refused,
            Kind.SETTLED: self.out.settled,
            Kind.CHUNK: self.out.chunk,
            Kind.CHUNKS: self.out.chunks,
            Kind.PROBE: self.cycles.probed,
            Kind.RETURN: self._calls.returned,
            Kind.CANCEL: self._calls.cancelled,
        }

    def keeping(
        self,
        node: Receivers,
        make: Callable[[], Mailboxes],
        boot: Callable[[], str],
        renewal: Renewal,
        introduce: Callable[[str], Awaitable[object]],
        *,
        moves: bool = False,
    ) -> Durable:
        """Let the broker keep the messages of agents that want it; see `Durable` for the arguments."""
        from civitas.cluster.durable.durable import Durable  # most systems have no such broker

        durable = Durable(
            node,
            self._local.registry,
            make,
            boot,
            self.back.serializer,
            peers=self._peers,
            calls=self._calls,
            back=self.back,
            cycles=self.cycles,
            asker_of=self.out.asker_of,
            hand_on=self.out.hand_on,
            renewal=renewal,
            introduce=introduce,
            moves=moves,
        )
        self.out.kept_entry = durable.entry_for
        self.into.withdrawn = durable.withdrawn
        return durable

    def learn(self, facts: Facts) -> None:
        """Take over what is known now of an agent that another node hosts, or this one will."""
        for message in self.names.learn(facts):
            self.out.give_up(
                message, AgentTerminated(facts.name, facts.closed), DeadLetterReason.TERMINATED
            )

    def part(
        self,
        boot: str,
        why: str,
        in_hand: Mapping[str, int] = _NOTHING,
        finished: Mapping[str, int] = _NOTHING,
    ) -> None:
        """A node is gone for good: nothing that was sent to it will be answered.

        Args:
            boot: Which run of it.
            why: What happened to it.
            in_hand: The messages that its agents were handling, by id, and to how many incarnations there each was
                given.
            finished: The same of those that they had finished, which it may have had no time to say.
        """
        peer = self._peers.gone(boot, why)
        if peer is None:
            return
        self._calls.lost(peer, why)
        in_hand = {**in_hand, **self.out.unheard(finished)}
        # What is on the way to a name may be there longer than the name.
        for each in {**dict.fromkeys(self.names.elsewhere()), **self.out.under_way()}:
            if each.boot == boot:
                self.out.lost(each, peer.name, why, in_hand)
            elif each.boot is None and each.facts.node == peer.name:
                each.outbox.lost()  # it died before it had started that agent
        self._leave_former(peer)
        self.into.left(peer)

    def passes(self, root: Peer, own_boot: str) -> None:
        """The root passes on what it does: what becomes of its messages is for the next one, once that is there."""
        heir = NextRoot(own_boot)
        self._heirs.append((root.boot, heir))
        self.into.passes(root, heir.peer)
        self._peers.inherits([*self._peers.former, root.boot], heir.peer)

    def _leave_former(self, root: Peer) -> None:
        """A root is gone: what was asked at those before it is answered to the one that comes behind it."""
        former = [each for each in self._peers.former if self._peers.back_to(each) is root]
        if former:
            heir = NextRoot(root.own_boot)
            self._heirs.append((former[-1], heir))
            self.into.passes(root, heir.peer, former)
            self._peers.inherits(former, heir.peer)

    def inherit(self, former: Collection[str], root: Peer) -> None:
        """This root leads now; what becomes of the messages of these, which led before, is for it."""
        self._peers.disinherit()
        self._peers.inherits(former, root)
        heirs, self._heirs = self._heirs, []
        for boot, heir in heirs:
            if boot in former:
                self._calls.moved(heir.peer, root)
                heir.is_there(root)
                self.into.passes(heir.peer, root)
            else:
                heir.peer.gone = "another root leads, and does not know of it"
                self._calls.lost(heir.peer, heir.peer.gone)
                heir.peer.leave()
                self.into.left(heir.peer)

    def is_sending(self) -> bool:
        """Whether another node is not finished with something that this one sent."""
        return any(len(each.outbox) for each in self.names.elsewhere())

    async def drained(self) -> None:
        """Wait until no other node works on what was sent from here."""
        for each in list(self.names.elsewhere()):
            await each.outbox.drained()

    async def awake(self, pattern: str) -> list[str]:
        """The conversations of pools elsewhere that are awake and match the glob `pattern`; known where they run."""
        names: list[str] = []
        for pool in self.names.pools():
            peer = self._peers.get(pool.facts.boot or "")
            if peer is not None:
                try:
                    awake = await self._calls.call(peer, "awake", pool.name)
                except NodeDown:
                    continue
                names += [each for each in awake if fnmatchcase(each, pattern)]
        return names

    def asked(self, message: Message, asker: str, asked: str) -> None:
        """An agent here is about to wait for another here, or in line for one elsewhere: that may close a circle."""
        self.cycles.waits(message.id, asker, asked)

    def recording(self, message: Message) -> None:
        """Steps of a message are about to be recorded: of one that was sent beside its agent, nobody else knows."""
        foreign, deliveries = self._local.foreign, self.back.deliveries
        if message.id not in foreign and deliveries.reads:
            origin = foreign[message.id] = FromBeside(deliveries, message.id)
            origin.began(message.recipient)
