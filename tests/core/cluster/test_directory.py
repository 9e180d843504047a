"""What the processes that use a name are told about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from civitas.cluster.directory import Directory
from civitas.cluster.facts import Facts
from civitas.cluster.letters.relay import Relay
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.peers import Peer
from civitas.node import Registry
from tests.core.cluster.parts import Wire, a_peer

FAR = Facts("far", "w", "boot-w")
MET: list[object] = ["met", ["w", "boot-w", "ipc:///w"]]


class Told:
    """A directory, what the root learnt, and what was sent to each of two processes."""

    def __init__(self) -> None:
        self.learnt: list[Facts] = []
        self.peers: dict[str, Peer] = {}
        self.wires: dict[str, Wire] = {}
        for name in ("w", "v"):
            self.peers[name], self.wires[name] = a_peer(name)
        self.knowledge = Knowledge({peer.boot: peer for peer in self.peers.values()})
        registry = Registry()
        self.directory = Directory(
            "root",
            "boot-root",
            self.knowledge,
            Relay(registry),
            self.learnt.append,
            lambda *moved: None,
            lambda name: [f"like {name}"],
            passes_on=lambda: self.passes_on,
        )
        self.passes_on = False

    def said(self, name: str) -> list[list[object]]:
        return [fields for _, fields in self.wires[name].sent]

    def asks(self, who: str, *names: str) -> dict[str, list[str]]:
        return self.directory.whereis(names, self.peers[who])


@pytest.fixture
def told() -> Told:
    return Told()


def test_only_who_asked_for_a_name_is_told_of_it_and_only_of_what_changed(told: Told) -> None:
    told.directory.announce(FAR)
    assert told.asks("v", "far") == {}
    told.directory.announce(FAR)
    away = replace(FAR, boot=None)
    told.directory.announce(away)
    assert told.learnt == [FAR, away]
    assert told.said("w") == []
    assert told.said("v") == [MET, ["facts", [FAR.plain()]], ["facts", [away.plain()]]]


def test_who_has_let_go_of_a_name_or_is_gone_is_told_nothing_more(told: Told) -> None:
    told.directory.announce(FAR)
    for name in ("v", "w"):
        told.asks(name, "far")
    told.knowledge.forgets(told.peers["v"], ["far", "other"])
    told.knowledge.left("boot-w")
    before = told.said("v"), told.said("w")
    told.directory.announce(replace(FAR, boot=None))
    assert (told.said("v"), told.said("w")) == before


def test_what_must_outlive_its_sender_goes_by_way_of_the_root_to_all_but_its_own_process(
    told: Told,
) -> None:
    sure = replace(FAR, delivery="at_least_once")
    told.directory.announce(sure)
    for name in ("w", "v"):
        told.asks(name, "far")
    assert told.said("w") == [["facts", [sure.plain()]]]
    by_root = replace(sure, node="root", boot="boot-root")
    assert told.said("v") == [["facts", [by_root.plain()]]]


def test_a_process_is_introduced_once_to_whoever_uses_an_agent_of_it(told: Told) -> None:
    for name in ("far", "further"):
        told.directory.announce(replace(FAR, name=name))
    told.asks("v", "far", "further")
    told.asks("w", "far")
    assert told.said("v").count(MET) == 1
    assert [what for what, *_ in told.said("w")] == ["facts"]
    assert [peer.name for peer in told.knowledge.acquaintances("boot-w")] == ["v"]
    assert [peer.name for peer in told.knowledge.acquaintances("boot-v")] == ["w"]


def test_whoever_finds_an_agent_of_a_process_that_is_about_to_leave_is_told_that(
    told: Told,
) -> None:
    told.directory.announce(FAR)
    told.knowledge.leaves("boot-w")
    told.asks("v", "far")
    assert told.said("v") == [MET, ["facts", [FAR.plain()]], ["leaving", ["boot-w"]]]


def test_a_conversation_is_where_its_pool_is_and_an_agent_has_none(told: Told) -> None:
    told.directory.announce(replace(FAR, name="support", kind="conversation_pool"))
    told.directory.announce(FAR)
    unknown = told.asks("w", "support/c1", "far/c1", "other/c1")
    assert unknown == {"far/c1": ["like far/c1"], "other/c1": ["like other/c1"]}


def test_a_name_that_is_gone_is_forgotten_once(told: Told) -> None:
    told.directory.announce(FAR)
    told.asks("w", "far")
    told.directory.forget("far")
    told.directory.forget("far")
    assert told.said("w")[1:] == [["forget", ["far"]]]
    assert told.asks("w", "far") == {"far": ["like far"]}


def test_a_mailbox_of_the_root_that_closes_is_announced_and_no_other(told: Told) -> None:
    told.directory.announce(FAR)
    told.directory.announce(replace(FAR, name="near", node="root", boot="boot-root"))
    told.directory.closed("far", "it was stopped")
    told.directory.closed("near", "it was stopped")
    assert [facts.closed for facts in told.learnt] == ["", "", "it was stopped"]


@pytest.mark.promise(id="SEM-1831")
def test_nobody_is_told_that_an_agent_has_ended_which_the_next_root_starts_again(
    told: Told,
) -> None:
    near = replace(FAR, name="near", node="root", boot="boot-root")
    told.directory.announce(near)
    told.asks("v", "near")
    told.passes_on = True
    told.directory.closed("near", "another version takes over")
    told.asks("w", "near")
    for name in ("v", "w"):
        assert told.said(name)[-1] == ["facts", [near.plain()]]
    assert told.learnt[-1].closed == "another version takes over"
