"""What each node is told of a name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from civitas.cluster.directory import Directory
from civitas.cluster.facts import Facts
from civitas.cluster.letters.relay import Relay
from civitas.cluster.members.roster import Roster
from civitas.launch import ProcessOptions
from civitas.node import Registry
from tests.core.cluster.parts import Wire, a_peer

FAR = Facts("far", "w", "boot-w")


class Told:
    """A directory, what the root learnt, and what was sent to each of two processes."""

    def __init__(self) -> None:
        self.learnt: list[Facts] = []
        self.wires: dict[str, Wire] = {}
        roster = Roster({name: ProcessOptions() for name in ("w", "v")})
        for name in ("w", "v"):
            peer, self.wires[name] = a_peer(name)
            roster[name].arrived(peer, 7, "here")
        self.directory = Directory(
            "root", "boot-root", roster, Relay(Registry()), self.learnt.append
        )

    def said(self, name: str) -> list[list[object]]:
        return [fields for _, fields in self.wires[name].sent]


@pytest.fixture
def told() -> Told:
    return Told()


def test_everybody_is_told_of_an_agent_and_only_of_what_changed(told: Told) -> None:
    told.directory.announce(FAR)
    told.directory.announce(FAR)
    assert told.learnt == [FAR]
    assert told.said("w") == told.said("v") == [["facts", [FAR.plain()]]]


def test_what_must_outlive_its_sender_goes_by_way_of_the_root_to_all_but_its_own_process(
    told: Told,
) -> None:
    sure = replace(FAR, delivery="at_least_once")
    told.directory.announce(sure)
    assert told.said("w") == [["facts", [sure.plain()]]]
    by_root = replace(sure, node="root", boot="boot-root")
    assert told.said("v") == [["facts", [by_root.plain()]]]
    assert told.directory.whereis("far", "v") == by_root.plain()
    assert told.directory.all_for("w") == [sure.plain()]


def test_the_pool_of_a_conversation_is_where_that_is(told: Told) -> None:
    told.directory.announce(replace(FAR, name="support", kind="conversation_pool"))
    assert told.directory.whereis("support/c1", "w") is not None
    assert told.directory.whereis("other/c1", "w") is None


def test_a_name_that_is_gone_is_forgotten_once(told: Told) -> None:
    told.directory.announce(FAR)
    told.directory.forget("far")
    told.directory.forget("far")
    assert told.said("v")[1:] == [["forget", ["far"]]]
    assert told.directory.whereis("far", "v") is None


def test_a_mailbox_of_the_root_that_closes_is_announced_and_no_other(told: Told) -> None:
    told.directory.announce(FAR)
    told.directory.announce(replace(FAR, name="near", node="root", boot="boot-root"))
    told.directory.closed("far", "it was stopped")
    told.directory.closed("near", "it was stopped")
    assert [facts.closed for facts in told.learnt] == ["", "", "it was stopped"]
