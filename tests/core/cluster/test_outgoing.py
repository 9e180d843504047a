"""What was sent from one node and is not finished, when its asker or its process is gone."""

from __future__ import annotations

import pytest

from civitas.errors import AgentTerminated
from civitas.message import Message, dump_chunks
from tests.core.cluster.parts import Arrived, Here, Wire


def test_an_agent_is_told_that_its_asker_is_gone() -> None:
    here = Here()
    here.far.outbox.open_way()
    message = here.sends(waits=True)
    here.far.withdraw(message, reader_left=True)
    assert here.wire.sent[1:] == [("WITHDRAW", ["far", message.id, True])]
    assert here.letters == []


@pytest.mark.parametrize("reader_left", [True, False])
def test_what_has_not_left_is_taken_out_if_its_reader_is_gone_and_handled_otherwise(
    reader_left: bool,
) -> None:
    here = Here()
    message = here.sends(waits=True)
    here.far.withdraw(message, reader_left=reader_left)
    assert here.letters == ([(message.id, "no_reader")] if reader_left else [])
    assert len(here.far.outbox) == (0 if reader_left else 1)
    assert here.wire.sent == []


@pytest.mark.promise(id="SEM-1642")
def test_what_is_taken_out_says_how_often_it_was_given() -> None:
    """By that it is known whether something is recorded for it."""
    here = Here()
    message = here.sends(waits=True)
    here.far.outbox.given(message.id, 2, at_most=3)
    taken = here.far.outbox.withdraw(message)
    assert taken is not None
    assert (taken.id, taken.attempt, message.attempt) == (message.id, 2, 0)
    assert here.far.outbox.withdraw(message) is None


def test_of_what_a_dead_process_had_finished_only_the_unanswered_is_handled_again() -> None:
    here = Here()
    here.far.outbox.open_way()
    asked, sent = here.sends(waits=True), here.sends(waits=False)
    assert here.out.unheard({asked.id: 1, sent.id: 1}) == {asked.id: 1}
    assert here.far.outbox.find(asked.id) is asked
    assert here.far.outbox.find(sent.id) is None


def test_an_agent_that_came_here_meanwhile_is_told_here_that_its_asker_is_gone() -> None:
    here = Here()
    message = here.sends(waits=True)
    here.registry["far"] = arrived = Arrived("far")
    here.far.withdraw(message, reader_left=True)
    assert arrived.withdrawn == [(message.id, True)]
    assert (here.letters, len(here.far.outbox)) == ([], 1)


def test_what_waits_for_an_agent_that_moves_is_sent_when_the_node_before_is_finished() -> None:
    here = Here()
    here.far.outbox.open_way()
    first = here.sends(waits=False)
    wire = here.meets("v")
    here.learns(node="v", boot="boot-v")
    second = here.sends(waits=False)
    here.out.settled(here.peer, [first.id])
    assert wire.sent == []
    here.out.settled(here.peer, [second.id])
    here.sends(waits=False)
    assert [kind for kind, _ in here.wire.sent] == ["MESSAGE", "MESSAGE"]
    assert [kind for kind, _ in wire.sent] == ["MESSAGE"]


def test_what_comes_for_an_agent_that_moves_to_a_node_nobody_met_waits_for_that() -> None:
    here = Here()
    here.far.outbox.open_way()
    first = here.sends(waits=False)
    here.learns(node="v", boot="boot-v")
    here.out.settled(here.peer, [first.id])
    here.sends(waits=False)
    assert not here.far.alive
    assert len(here.far.outbox) == len(here.wire.sent) == 1


@pytest.mark.parametrize("delivery", ["at_least_once", "at_most_once"])
def test_what_a_closed_agent_had_when_its_process_died_is_refused_with_why_it_is_closed(
    delivery: str,
) -> None:
    here = Here()
    here.far.outbox.open_way()
    message = here.sends(waits=True)
    here.learns(delivery=delivery, closed="it was stopped")
    here.out.lost(here.far, "w", "killed", {message.id: 1})
    [(id, error)] = here.answers
    assert (id, type(error)) == (message.id, AgentTerminated)
    assert "it was stopped" in str(error)
    assert here.letters == [(message.id, "terminated")]
    assert not here.out.has(message.id)


def test_what_was_to_be_handed_on_is_taken_back_if_its_asker_is_gone_before_it_left() -> None:
    here = Here()
    origin = here.hands_on()
    assert here.out.take_back(origin)
    assert here.letters == [(origin.message.id, "no_reader")]
    assert len(here.far.outbox) == 0
    assert not here.out.take_back(origin)


def test_what_nobody_waits_for_and_what_has_left_are_not_taken_back() -> None:
    here = Here()
    assert not here.out.take_back(here.hands_on(asks=False))
    origin = here.hands_on()
    here.far.outbox.open_way()
    assert not here.out.take_back(origin)
    assert (here.letters, len(here.far.outbox)) == ([], 2)


def test_each_of_several_chunks_that_nobody_reads_any_more_is_a_dead_letter() -> None:
    here, chunks = Here(), [Message(payload=number) for number in range(2)]
    here.out.chunks(here.peer, "m1", dump_chunks(chunks))
    assert here.letters == [(each.id, "no_reader") for each in chunks]


def test_several_chunks_for_a_reader_of_a_third_node_are_passed_on_as_they_came() -> None:
    here = Here()
    origin, raw = here.hands_on(), dump_chunks([Message(payload=1)])
    here.out.chunks(here.peer, origin.message.id, raw)
    assert isinstance(wire := origin.peer.link, Wire)
    assert wire.sent == [("CHUNKS", [origin.message.id, raw])]
    origin.peer.gone = "it was killed"
    here.out.chunks(here.peer, origin.message.id, raw)
    assert [reason for _, reason in here.letters] == ["no_reader"]
