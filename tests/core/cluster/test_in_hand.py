"""What a process was handling, as its starter reads it when the process is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from civitas.cluster.members.in_hand import ToldRoot
from civitas.cluster.members.roster import Roster
from civitas.launch import ProcessOptions
from civitas.launch.in_hand import InHand, Noted, read_in_hand
from civitas.message import new_id
from tests.core.cluster.parts import a_peer


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "in-hand"


def test_what_was_begun_and_what_was_finished_is_told_apart(file):
    noted = InHand(file, lambda agent: agent == "sure")
    begun, finished, twice = (new_id() for _ in range(3))
    for id in (begun, finished, twice, twice):
        noted.begun("a", id)
    noted.finished(finished)
    assert read_in_hand(file) == Noted({begun: 1, twice: 2}, {finished: 1}, is_known=True)
    noted.close()


def test_what_is_delivered_again_is_told_apart(file):
    noted = InHand(file, lambda agent: agent == "sure")
    again, once = new_id(), new_id()
    for _ in range(40):
        noted.begun("sure", again)
    noted.begun("a", once)
    found = read_in_hand(file)
    assert found.again == frozenset({again})
    assert found.in_hand[once] == 1
    assert found.in_hand[again] > 3
    noted.close()


def test_what_the_broker_keeps_is_told_apart_until_it_has_let_go_of_it(file):
    noted = InHand(file, lambda agent: agent == "sure")
    begun, finished = new_id(), new_id()
    for id in (begun, begun, finished):
        noted.begun("a", id, kept=True)
    noted.finished(finished)
    kept = frozenset({begun, finished})
    assert read_in_hand(file) == Noted({begun: 2}, {finished: 1}, kept, is_known=True)
    noted.forgotten(finished)
    assert read_in_hand(file) == Noted({begun: 2}, {}, frozenset({begun}), is_known=True)
    noted.close()


@pytest.mark.promise(id="SEM-1463")
def test_what_a_process_puts_back_was_given_to_one_incarnation_less(file):
    noted = InHand(file, lambda agent: False)
    once, twice, never = (new_id() for _ in range(3))
    for id in (once, twice, twice):
        noted.begun("a", id, kept=True)
    for id in (once, twice, never):
        noted.put_back(id)
    assert read_in_hand(file) == Noted({twice: 1}, {}, frozenset({twice}), is_known=True)
    noted.close()


@pytest.mark.promise(id="SEM-1463")
async def test_a_process_elsewhere_tells_the_root_what_it_puts_back():
    root = Roster({"w": ProcessOptions()})
    peer, _ = a_peer("w")

    async def call_root(_: str, *what: Any) -> None:
        root.begun(peer, *what)

    told = ToldRoot(lambda agent: True, call_root, lambda _, id: root.put_back(peer, id))
    for id, kept in (("once", False), ("twice", False), ("twice", False), ("kept", True)):
        await told.begun("a", id, kept=kept)  # type: ignore[misc]
    for id in ("once", "twice", "kept", "never"):
        told.put_back(id)
    assert root["w"].in_hand == {"twice": 1, "kept": 1}


def test_a_place_is_used_again_when_all_others_were(file):
    noted = InHand(file, lambda agent: agent == "sure")
    first, *others = (new_id() for _ in range(4096))
    for id in (first, *others[:-1]):
        noted.begun("a", id)
        noted.finished(id)
    assert first in read_in_hand(file).finished
    for id in others[-1], new_id():
        noted.begun("a", id)
    assert first not in read_in_hand(file).finished
    assert len(read_in_hand(file).in_hand) == 2
    noted.close()


def test_where_nothing_was_noted_there_is_nothing(file):
    assert read_in_hand(file) == read_in_hand(None) == Noted()
