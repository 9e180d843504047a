"""What the root does when a process is gone, and in which order."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from civitas.cluster.members.departures import Departures
from civitas.cluster.members.knowledge import Knowledge
from civitas.cluster.members.roster import Member, Roster
from civitas.cluster.members.starting import Starting
from civitas.cluster.peers import Peer
from civitas.errors import StartFailed
from civitas.launch import ProcessOptions
from civitas.launch.in_hand import InHand, Noted
from civitas.process import ExitReason
from civitas.process.incident import of_message
from tests.core.cluster.parts import Wire, a_peer


class Root:
    """Notes what it hears."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.heard: list[Any] = []

    def in_hand_of(self, member: Member) -> Path | None:
        return self.file

    async def pump(self) -> None:
        self.heard.append("pump")

    def lost_with(self, peer: Peer, reason: ExitReason) -> None:
        self.heard.append("lost")

    def node_is_down(self, name: str, why: str) -> None:
        self.heard.append(f"{name} is down: {why}")

    def part(self, boot: str, why: str, noted: Noted) -> None:
        self.noted = noted
        self.heard.append(dict(noted.in_hand))

    def crashed_with(self, peer: Peer, reason: ExitReason) -> None:
        self.heard.append(("crashed", reason.incident))


def two(start: bool = True) -> tuple[Roster, Wire]:
    """Two processes that are there and have met, and what is sent to the second."""
    roster = Roster({name: ProcessOptions(start=start) for name in ("w", "v")})
    wire = Wire()
    for name in ("w", "v"):
        peer, wire = a_peer(name)
        roster[name].arrived(peer, os.getpid(), "here")
    return roster, wire


def acquainted(roster: Roster) -> Knowledge:
    """What the first of two knows: the second."""
    first, second = roster.peers()
    knowledge = Knowledge({peer.boot: peer for peer in (first, second)})
    knowledge.introduce(first, second.boot)
    return knowledge


def test_a_death_is_told_first_to_whoever_shows_it_and_then_to_whoever_acts_on_it() -> None:
    roster, to_other = two()
    root = Root()
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "it was killed")
    assert root.heard == ["lost", "w is down: it was killed", {}, ("crashed", "boot-w")]
    assert to_other.sent == [("CAST", ["gone", ["boot-w", "it was killed", {}]])]
    assert roster["w"].peer is None
    assert [peer.name for peer in roster.peers()] == ["v"]


def test_it_is_gone_once() -> None:
    roster, _ = two()
    root = Root()
    departures = Departures(roster, root, acquainted(roster))
    for _ in range(2):
        departures.gone(roster["w"], "it was killed")
    assert root.heard.count("lost") == 1


def test_what_it_had_in_hand_is_told_whoever_noted_that(tmp_path: Path) -> None:
    roster, _ = two()
    notes = InHand(tmp_path / "notes", lambda agent: agent == "sure")
    notes.begun("a", "here")
    roster.begun(roster["w"].peer, "there", False)  # type: ignore[arg-type]
    root = Root(tmp_path / "notes")
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "it was killed")
    notes.close()
    assert {"here": 1, "there": 1} in root.heard


def test_what_the_broker_keeps_is_told_apart(tmp_path: Path) -> None:
    roster, _ = two()
    notes = InHand(tmp_path / "notes", lambda agent: agent == "sure")
    notes.begun("a", "here", kept=True)
    notes.begun("a", "other")
    roster.begun(roster["w"].peer, "there", True)  # type: ignore[arg-type]
    root = Root(tmp_path / "notes")
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "it was killed", has_ended=True)
    notes.close()
    assert root.noted.kept == {"here", "there"}
    assert root.noted.is_known


@pytest.mark.promise(id="SEM-1456")
def test_what_one_that_was_given_up_has_in_hand_by_now_is_not_known(tmp_path: Path) -> None:
    roster, _ = two()
    notes = InHand(tmp_path / "notes", lambda agent: agent == "sure")
    notes.begun("a", "here", kept=True)
    roster.begun(roster["w"].peer, "there", True)  # type: ignore[arg-type]  # the second time: of the first it says nothing
    root = Root(tmp_path / "notes")
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "another cannot reach it")
    notes.close()
    assert root.noted.in_hand == {"here": 1, "there": 2}
    assert not root.noted.is_known


def test_one_that_leaves_well_had_nothing_in_hand() -> None:
    roster, _ = two(start=False)
    root = Root()
    departures = Departures(roster, root, acquainted(roster))
    departures.left(roster["w"].peer)  # type: ignore[arg-type]
    assert root.noted.is_known
    departures.gone(roster["v"], "it was killed")
    assert not root.noted.is_known


def test_deaths_by_one_message_are_one_incident(tmp_path: Path) -> None:
    roster, _ = two()
    notes = InHand(tmp_path / "notes", lambda agent: agent == "sure")
    notes.begun("sure", "poison")
    root = Root(tmp_path / "notes")
    departures = Departures(roster, root, acquainted(roster))
    departures.gone(roster["w"], "it was killed")
    departures.gone(roster["v"], "it was killed")
    notes.close()
    assert [each for each in root.heard if type(each) is tuple] == [
        ("crashed", of_message("poison"))
    ] * 2


def test_a_death_with_nothing_in_hand_that_is_delivered_again_is_one_of_its_own(
    tmp_path: Path,
) -> None:
    roster, _ = two()
    notes = InHand(tmp_path / "notes", lambda agent: agent == "sure")
    notes.begun("a", "once")
    root = Root(tmp_path / "notes")
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "it was killed")
    notes.close()
    assert ("crashed", "boot-w") in root.heard


def test_one_that_leaves_is_gone_where_the_root_did_not_start_it() -> None:
    for start in (True, False):
        roster, _ = two(start)
        peer = roster["w"].peer
        assert peer is not None
        Departures(roster, Root(), acquainted(roster)).left(peer)
        assert (roster["w"].peer is None) is not start


def test_while_the_system_ends_nobody_is_told_that_a_process_is_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    roster, _ = two()
    roster.ending = True
    root = Root()
    Departures(roster, root, acquainted(roster)).gone(roster["w"], "it ended")
    assert root.heard == ["lost", {}, ("crashed", "boot-w")]
    assert not caplog.records


async def test_a_process_that_comes_in_the_moment_it_is_waited_for_is_there() -> None:
    roster = Roster({"w": ProcessOptions(start=False, start_timeout=10)})

    async def ended(*_: object) -> None: ...

    starting = Starting(roster, {}, (), lambda: "ipc:///root", ended)
    peer, _ = a_peer()
    waiting = asyncio.create_task(starting.ready(roster["w"]))
    await asyncio.sleep(0)
    roster["w"].arrived(peer, 7, "here")
    assert await waiting is peer


async def test_whoever_waits_for_a_process_hears_that_the_system_ends() -> None:
    roster = Roster({"w": ProcessOptions(start=False, start_timeout=None)})

    async def ended(*_: object) -> None: ...

    starting = Starting(roster, {}, (), lambda: "ipc:///root", ended)
    waiting = asyncio.create_task(starting.ready(roster["w"]))
    while roster["w"].arriving is None:
        await asyncio.sleep(0)
    starting.give_up()
    with pytest.raises(Exception, match="the runtime stops"):
        await waiting


@pytest.mark.promise(id="SEM-1407")
async def test_while_the_root_can_reach_nobody_no_process_is_late() -> None:
    roster = Roster({"w": ProcessOptions(start=False, start_timeout=0.05)})

    async def ended(*_: object) -> None: ...

    starting = Starting(roster, {}, (), lambda: "nats:root", ended)
    starting.outages.cut_off(True)
    waiting = asyncio.create_task(starting.ready(roster["w"]))
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    starting.outages.cut_off(False)
    with pytest.raises(StartFailed, match="did not join within its start_timeout"):
        await waiting
