"""How a member seeks its root, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from civitas.cluster.members.joining import Joining
from civitas.cluster.members.neighbours import Neighbours
from civitas.cluster.peers import Peers
from civitas.cluster.seal import Seal
from civitas.errors import ConfigurationError
from tests.core.cluster.parts import Wire


class Air:
    """A transport that keeps what is sent to each address, and loses a node when it is told to."""

    address = "memory:here"

    def __init__(self) -> None:
        self.wires: dict[str, Wire] = {}
        self.lose: dict[str, Callable[[], None]] = {}

    async def open(self, receive: object, cut_off: object = None) -> None: ...

    def connect(self, address: str) -> Wire:
        self.wires[address] = Wire()
        return self.wires[address]

    def watch(self, address: str, back: object, lost: Callable[[], None]) -> Wire:
        self.lose[address] = lost
        return Wire()

    async def pump(self) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.promise(id="SEM-1552")
async def test_what_a_member_sends_after_it_sought_the_root_again_is_from_who_it_is_now() -> None:
    air, peers, seal = Air(), Peers(), Seal("token")
    ended = asyncio.get_running_loop().create_future()
    joining = Joining(
        "w", "root", "", seal, air, remind=1.0, lost=ended.set_result, forget=peers.leave
    )
    neighbours = Neighbours("w", seal, air, peers, joining, lambda boot: None)
    entering = asyncio.create_task(joining.enter(ended))
    await asyncio.sleep(0)
    first = joining.boot
    neighbours.introduced("boot-v", "v", "memory:v")  # before the root takes this one in
    before = air.wires["memory:v"]
    air.lose["root"]()
    assert joining.boot != first
    assert before.closed
    neighbours.there_is(None, "v", "boot-v", "memory:v")
    assert [kind for kind, _ in air.wires["memory:v"].sent] == ["INTRODUCE"]
    assert peers["boot-v"].own_boot == joining.boot
    ended.set_result("over")
    with pytest.raises(ConfigurationError, match="the root did not answer"):
        await entering


class Met:
    """A member, `v`, that has joined a root."""

    def __init__(self) -> None:
        self.air, self.peers = Air(), Peers()
        seal = Seal("token")
        self.joining = Joining(
            "v", "root", "", seal, self.air, remind=1.0, lost=lambda why: None, forget=lambda: None
        )
        self.joining._seek()
        self.neighbours = Neighbours("v", seal, self.air, self.peers, self.joining, lambda b: None)


async def test_a_member_does_not_meet_itself_nor_one_that_has_left() -> None:
    v = Met()
    v.neighbours.there_is(None, "v", v.joining.boot, "memory:here")
    v.peers.gone("boot-w", "it was killed")
    v.neighbours.introduced("boot-w", "w", "memory:w")
    assert not v.peers


async def test_the_root_is_told_of_a_member_that_cannot_be_reached_while_that_is_there() -> None:
    v = Met()
    v.neighbours.introduced("boot-w", "w", "memory:w")
    v.air.lose["memory:w"]()
    told = ("CAST", ["unreachable", ["boot-w"]])
    assert v.air.wires["root"].sent[1:] == [told]
    v.peers.gone("boot-w", "it was killed")
    v.air.lose["memory:w"]()
    assert v.air.wires["root"].sent[1:] == [told]
