"""Stand-ins for what the parts of a node talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from civitas.cluster.facts import Facts
from civitas.cluster.frames import Kind, unpacked
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.origin import Back, FromPeer
from civitas.cluster.letters.outgoing import Outgoing
from civitas.cluster.letters.receipts import Receipts
from civitas.cluster.peers import Peer, Peers
from civitas.errors import DeliveryError
from civitas.message import Message, Serializer
from civitas.node import Registry
from civitas.process import Cell, Mailbox

__all__ = ["Arrived", "Here", "Wire", "a_peer"]


class Wire:
    """A link that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Any]]] = []
        self.urgent: list[bool] = []
        self.closed = False

    def send(self, frame: bytes, *, urgent: bool = False) -> None:
        """Keep a frame, as the name of its kind and its fields."""
        kind, _, *fields = unpacked(frame)
        self.sent.append((Kind(kind).name, fields))
        self.urgent.append(urgent)

    def close(self) -> None:
        """Note it."""
        self.closed = True

    async def flushed(self) -> None:
        """Nothing is on the way."""


def a_peer(name: str = "w", boot: str = "") -> tuple[Peer, Wire]:
    """Another node, and what is sent to it."""
    wire = Wire()
    return Peer(name, boot or f"boot-{name}", f"ipc:///{name}", wire, "boot-here"), wire


class Arrived(Cell):
    """An agent of this node that notes what its senders do."""

    asking: Mapping[str, str] = MappingProxyType({})

    def __init__(self, name: str, size: int = 1000) -> None:
        self.name = self.family = name
        self.entry = self.mailbox = Mailbox(name, size)
        self.withdrawn: list[tuple[str, bool]] = []
        self.given: list[tuple[str, int]] = []

    def withdraw(self, message: Message, *, reader_left: bool = False) -> None:
        self.withdrawn.append((message.id, reader_left))

    def was_given(self, message_id: str, times: int) -> None:
        self.given.append((message_id, times))


class Here:
    """A node whose agents send and receive, and `far`, an agent of `w`."""

    name = "here"

    def __init__(self) -> None:
        self.registry = Registry()
        self.foreign: dict[str, Any] = {}
        self.by_way_of_runtime: dict[str, str] = {}
        self.letters: list[tuple[str, str]] = []
        self.settled: list[str] = []
        self.refused: list[tuple[str, DeliveryError]] = []
        self.awaits: Callable[[str], bool] = lambda message_id: False
        self.back = Back(Serializer.MSGPACK, Receipts(asyncio.get_event_loop))
        self.answers: list[tuple[str, Any]] = []
        self.hand_answer: Callable[[str, Message | DeliveryError], bool] = self.answered
        self.peers = Peers()
        self.peer, self.wire = a_peer("w")
        self.peers.met(self.peer)
        self.out = Outgoing(
            self,
            self.peers,
            Serializer.MSGPACK,
            holder_for=lambda facts: None,
            to_be_held=(),
            answered=lambda each, raw: None,
        )
        facts = Facts("far", "w", "boot-w", delivery="at_least_once")
        self.far = Elsewhere(facts, self.out)
        self.far.learn(facts)
        self.registry["far"] = self.far

    def answered(self, message_id: str, answer: Message | DeliveryError) -> bool:
        self.answers.append((message_id, answer))
        return True

    def reader_of(self, message_id: str) -> None:
        return None

    def dead_letter(self, message: Message, reason: str) -> None:
        self.letters.append((message.id, reason))

    def settle(self, message: Message) -> None:
        self.settled.append(message.id)

    def refuse(self, request: Message, error: DeliveryError) -> None:
        self.refused.append((request.id, error))

    def forget_records(self, message: Message) -> None: ...

    def refuse_while_down(self, cell: object, asker: str) -> None: ...

    def sends(self, *, waits: bool) -> Message:
        message = Message(recipient="far", payload=1, reply_to="here" if waits else None)
        assert self.far.outbox.offer(message)
        return message

    def learns(self, **changes: Any) -> None:
        self.far.learn(replace(self.far.facts, **changes))

    def meets(self, name: str) -> Wire:
        peer, wire = a_peer(name)
        self.peers.met(peer)
        return wire

    def hands_on(self, *, asks: bool = True) -> FromPeer:
        """Something of another node stands here for `far`."""
        asker, _ = a_peer("v")
        message = Message(recipient="far", payload=1, reply_to="v" if asks else None)
        origin = FromPeer(asker, message, self.back)
        self.foreign[message.id] = origin
        self.out.hand_on(origin, self.far)
        return origin
