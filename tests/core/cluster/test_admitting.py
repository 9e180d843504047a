"""What the root does with a process that it takes in."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from civitas.cluster.calls import Calls
from civitas.cluster.frames import CLUSTER_VERSION, own_version
from civitas.cluster.guests import Guests
from civitas.cluster.members.admission import Hello
from civitas.cluster.members.admitting import Admitting
from civitas.cluster.members.roster import Roster
from civitas.cluster.peers import Peer, Peers
from civitas.cluster.seal import Seal
from civitas.errors import StartFailed
from civitas.launch import ProcessOptions
from civitas.testing import MemoryNetwork
from tests.core.cluster.parts import a_peer

HELLO = Hello(CLUSTER_VERSION, own_version(), "w", "ipc:///w", pid=7, pid_space="", token="t")


def nobody(*_: Any) -> None: ...


def admitting(roster: Roster, meet: Any) -> Admitting:
    seal, transport = Seal("token"), MemoryNetwork().transport("root")
    return Admitting(
        roster,
        seal,
        "boot-here",
        transport,
        meet=meet,
        welcome=lambda member: {},
        came=nobody,
        gone=nobody,
        ended=nobody,
        guests=Guests("boot-here", seal, transport, Peers(), Calls()),
    )


async def test_a_process_that_is_taken_in_is_welcomed() -> None:
    roster = Roster({"w": ProcessOptions()})
    peer, wire = a_peer("w")
    hello = replace(HELLO, token=roster["w"].token)
    admitting(roster, lambda *_: peer).hello("boot-w", hello.plain())
    assert roster["w"].peer is peer
    assert [kind for kind, _ in wire.sent] == ["WELCOME"]


@pytest.mark.promise(id="SEM-1372")
async def test_a_process_that_the_transport_has_no_way_to_fails_to_start_at_once() -> None:
    def meet(name: str, boot: str, address: str) -> Peer:
        raise OSError("no wings")

    roster = Roster({"w": ProcessOptions()})
    arriving = roster["w"].arriving = asyncio.get_running_loop().create_future()
    hello = replace(HELLO, token=roster["w"].token)
    with pytest.raises(OSError, match="no wings"):
        admitting(roster, meet).hello("boot-w", hello.plain())
    with pytest.raises(StartFailed, match="there is no way to it: OSError: no wings"):
        await arriving


@pytest.mark.promise(id="SEM-1812")
async def test_a_process_that_stands_by_is_taken_in_as_soon_as_its_place_is_free() -> None:
    roster = Roster({"w": ProcessOptions(start=False)})
    wires = {boot: a_peer("w") for boot in ("first", "second")}
    desk = admitting(roster, lambda _, boot, address: wires[boot][0])
    desk.hello("first", replace(HELLO, token="").plain())
    next_one = replace(HELLO, token="", pid=8, address="memory:w", stands_by=True)
    desk.hello("second", next_one.plain())
    assert roster["w"].peer is wires["first"][0]
    assert roster["w"].is_succeeded
    roster["w"].left()
    desk.place_is_free("w")
    assert roster["w"].peer is wires["second"][0]
    assert [kind for kind, _ in wires["second"][1].sent] == ["WELCOME"]
