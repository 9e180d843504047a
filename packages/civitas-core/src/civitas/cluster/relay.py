"""Hands messages of one node on to another, and what becomes of them back; holds those of who dies."""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from civitas.cluster.elsewhere import Elsewhere, ElsewherePool
from civitas.cluster.failures import load_error
from civitas.cluster.frames import Kind
from civitas.cluster.node import ClusterNode, Foreign
from civitas.cluster.peers import Peer
from civitas.cluster.replicas import Replicas
from civitas.errors import AgentTerminated, AskCycle, DeliveryError
from civitas.message import Message, loads
from civitas.node import Recipient

__all__ = ["Relay"]


class Relay(ClusterNode):
    """A node that hands on messages for agents that are reached by way of it: replicas, and those with `at_least_once`.

    To the node that a message came from, the name lives here; to the one that gets it, it came from here. So flow
    control, redelivery, and what a dead process means for either side are the same as between any two nodes, and what
    is said of a message on both ways keeps its order. And what came outlives the process of its sender.
    """

    def group(self, name: str) -> Replicas | None:
        """What stands behind `name`, where that is several agents."""
        group = self.registry.groups.get(name)
        return group if isinstance(group, Replicas) else None

    def deliver(
        self, peer: Peer, to: str, message: Message, asker: str | None, given: int, node: str
    ) -> None:
        """Put a message that came from `peer` where it belongs."""
        group = self.group(to)
        if group is not None:
            each: Recipient = group.choose(message.conversation, message.sender)
        else:
            each = self.registry.route(to, message.conversation, message.id)
        if not isinstance(each, Elsewhere):
            super().deliver(peer, to, message, asker, given, node)
            return
        if each.facts.closed:
            raise AgentTerminated(each.name, each.facts.closed)
        if asker == each.name:
            raise AskCycle([asker, to])
        self.foreign[message.id] = Foreign(peer.boot, each, message, asker)
        each.outbox.push(message.answered_by_way_of(self.name))  # its sender holds to the bound

    def _hold(self, peer: Peer, message: Message) -> None:
        """Hold what one agent of `peer` sent to another there, until that is finished with it."""
        self._has(peer, message.id)
        with suppress(DeliveryError):  # that agent is gone, and its process says so
            each = self.registry.route(message.recipient, message.conversation, message.id)
            if isinstance(each, Elsewhere):
                self._sent[message.id] = each
                each.outbox.hold_for(message)

    def _asker_is_gone(self, foreign: Foreign) -> None:
        """Nobody waits any more for the answer to a message; one that has not left this node need not go."""
        each, request = foreign.cell, foreign.message
        if isinstance(each, Elsewhere) and request.reply_to is not None and not each.alive:
            if each.outbox.withdraw(request):
                self._sent.pop(request.id, None)
                self.dead_letter(request, "no_reader")
        else:
            super()._asker_is_gone(foreign)

    def _relayed(self, message_id: str) -> tuple[Foreign, Elsewhere] | None:
        """A message that was handed on to another node and is not finished there."""
        foreign = self.foreign.get(message_id)
        if foreign is None or not isinstance(foreign.cell, Elsewhere):
            return None
        return foreign, foreign.cell

    def asker_of(self, message: Message) -> tuple[str | None, str]:
        """The agent that waits for the answer to a message that is about to leave, and where that runs."""
        if relayed := self._relayed(message.id):
            peer = self.peers.get(relayed[0].boot)
            return (relayed[0].asker, peer.name) if peer is not None else (None, self.name)
        return super().asker_of(message)

    def refuse_here(self, request: Message, error: DeliveryError) -> None:
        """Tell whoever waits for an answer to a message that was sent or handed on from here that there is none."""
        if relayed := self._relayed(request.id):
            self.refuse(relayed[0].message, error)
        else:
            super().refuse_here(request, error)

    def _receive_request(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take what somebody elsewhere wants of an agent that is reached by way of here."""
        if kind == Kind.ROOM and (relayed := self._relayed(fields[0])):
            producer = self.peers.get(relayed[1].boot or "")
            if producer is not None:
                producer.signal(Kind.ROOM, *fields[:2])
        elif kind == Kind.HOLD:
            self._hold(peer, loads(fields[0]))
        else:
            super()._receive_request(peer, kind, fields)

    def _receive_result(self, peer: Peer, kind: int, fields: list[Any]) -> None:
        """Take what became of something that was sent or handed on from here."""
        if kind == Kind.ANSWER:
            self._note_conversation(*fields[:2])
        if kind == Kind.SETTLED:
            super()._receive_result(peer, kind, fields)
            for id in fields[0]:
                if relayed := self._relayed(id):
                    self.settle(relayed[0].message)
        elif relayed := self._relayed(fields[0]):
            self._hand_back(relayed[0], kind, fields[1])
        else:
            super()._receive_result(peer, kind, fields)

    def _note_conversation(self, request_id: str, reply: bytes) -> None:
        """A conversation may begin with an answer, as with an interrupt: it stays with the one that gave it."""
        each = self._sent.get(request_id)
        group = self.group(each.facts.behind) if each is not None else None
        if each is not None and group is not None:
            group.began(loads(reply).conversation, each.name)

    def _hand_back(self, foreign: Foreign, kind: int, result: Any) -> None:
        request = foreign.message
        match kind:
            case Kind.ANSWER:
                if not self._send_answer(request, result):
                    self.dead_letter(loads(result), "late_reply")
            case Kind.REFUSAL:
                error = load_error(result)
                if isinstance(error, DeliveryError):
                    self.refuse(request, error)
            case Kind.CHUNK:
                reader = self.peers.get(foreign.boot)
                if reader is None:
                    self.dead_letter(loads(result), "no_reader")
                else:
                    reader.send(Kind.CHUNK, request.id, result)

    def _probe(self, ask_id: str, node: str, path: list[str], edge: str) -> None:
        relayed = self._relayed(edge)
        if relayed is None:
            super()._probe(ask_id, node, path, edge)
            return
        peer = self.peers.get(relayed[1].boot or "")
        if peer is not None:  # it waits for the one that the message was given to
            peer.signal(Kind.PROBE, ask_id, node, [*path[:-1], relayed[1].name], edge)

    async def serve(self, peer: Peer, what: str, arguments: list[Any]) -> Any:
        """Do what another node calls for; what concerns a pool of a third one is asked of that."""
        if what == "awake" and isinstance(
            pool := self.registry.pools.get(arguments[0]), ElsewherePool
        ):
            host = self.peers.get(pool.facts.boot or "")
            return await self.calls.call(host, what, pool.name) if host is not None else []
        return await super().serve(peer, what, arguments)

    async def matching(self, pattern: str) -> list[str]:
        """The names of the agents that match the glob `pattern`, wherever they run."""
        names = await super().matching(pattern)
        return names + [name for name in self.registry.groups if fnmatchcase(name, pattern)]
