"""What was sent from one node and is not finished, when its asker or its process is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from civitas.cluster.facts import Facts
from civitas.cluster.letters.elsewhere import Elsewhere
from civitas.cluster.letters.outgoing import Outgoing
from civitas.cluster.peers import Peers
from civitas.errors import DeliveryError
from civitas.message import Message, Serializer
from civitas.node import Registry
from tests.core.cluster.parts import a_peer


class Sender:
    """A node whose agents send, and `far`, an agent of `w`."""

    name = "here"

    def __init__(self) -> None:
        self.registry = Registry()
        self.foreign: dict[str, Any] = {}
        self.by_way_of_runtime: dict[str, str] = {}
        self.letters: list[tuple[str, str]] = []
        self.settled: list[str] = []
        self.hand_answer: Callable[[str, Message | DeliveryError], bool] = lambda *answer: False
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

    def reader_of(self, message_id: str) -> None:
        return None

    def dead_letter(self, message: Message, reason: str) -> None:
        self.letters.append((message.id, reason))

    def settle(self, message: Message) -> None:
        self.settled.append(message.id)

    def sends(self, *, waits: bool) -> Message:
        message = Message(recipient="far", payload=1, reply_to="here" if waits else None)
        assert self.far.outbox.offer(message)
        return message


def test_an_agent_is_told_that_its_asker_is_gone() -> None:
    here = Sender()
    here.far.outbox.open_way()
    message = here.sends(waits=True)
    here.far.withdraw(message, reader_left=True)
    assert here.wire.sent[1:] == [("WITHDRAW", ["far", message.id, True])]
    assert here.letters == []


@pytest.mark.parametrize("reader_left", [True, False])
def test_what_has_not_left_is_taken_out_if_its_reader_is_gone_and_handled_otherwise(
    reader_left: bool,
) -> None:
    here = Sender()
    message = here.sends(waits=True)
    here.far.withdraw(message, reader_left=reader_left)
    assert here.letters == ([(message.id, "no_reader")] if reader_left else [])
    assert len(here.far.outbox) == (0 if reader_left else 1)
    assert here.wire.sent == []


def test_of_what_a_dead_process_had_finished_only_the_unanswered_is_handled_again() -> None:
    here = Sender()
    here.far.outbox.open_way()
    asked, sent = here.sends(waits=True), here.sends(waits=False)
    assert here.out.unheard({asked.id: 1, sent.id: 1}) == {asked.id: 1}
    assert here.far.outbox.find(asked.id) is asked
    assert here.far.outbox.find(sent.id) is None
