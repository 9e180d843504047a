"""The in-memory network keeps the promises of a transport, whatever a test lets it do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from civitas.testing import MemoryNetwork, TransportSuite
from civitas.testing.memory_network import Parcel
from civitas.testing.memory_transport import MemoryTransport
from civitas.transport import Transport


class TestMemoryNetwork(TransportSuite):
    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        return MemoryNetwork(node_timeout=0.2).transport


class TestMemoryNetworkThatLosesRepeatsAndReorders(TransportSuite):
    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        chance = random.Random(1)

        def fate(parcel: Parcel) -> list[float]:
            return chance.choice([[], [0.002], [0.001, 0.003], [0.0], [0.0], [0.0]])

        network = MemoryNetwork(node_timeout=0.2, resend_after=0.01)
        network.fate = fate
        return network.transport


class End:
    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.told: list[str] = []

    async def open(self) -> End:
        await self.transport.open(
            lambda frame: self.told.append(bytes(frame).decode()),
            lambda cut_off: self.told.append("away" if cut_off else "here again"),
        )
        return self

    def watch(self, other: End) -> None:
        self.transport.watch(
            other.transport.address, lambda: self.told.append("back"), lambda: self.told.append("lost")
        )  # fmt: skip

    async def until(self, *told: str) -> None:
        async with asyncio.timeout(5):
            while self.told != list(told):
                await asyncio.sleep(0)


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork(node_timeout=0.02, resend_after=0.005)


async def two(network: MemoryNetwork) -> tuple[End, End]:
    return (
        await End(network.transport("here")).open(),
        await End(network.transport("there")).open(),
    )


@pytest.mark.promise(id="SEM-1326")
async def test_a_cut_that_is_short_loses_nobody_and_nothing() -> None:
    network = MemoryNetwork(node_timeout=60, resend_after=0.005)
    here, there = await two(network)
    here.watch(there)
    link = here.transport.connect(there.transport.address)
    network.cut("here", "there")
    link.send(b"hello")
    await asyncio.sleep(0.005)
    assert there.told == []
    network.heal()
    await there.until("hello")
    await here.until("back")


@pytest.mark.promise(id="SEM-1326")
async def test_a_cut_that_lasts_loses_the_node_and_its_links_for_good(
    network: MemoryNetwork,
) -> None:
    here, there = await two(network)
    here.watch(there)
    link = here.transport.connect(there.transport.address)
    network.cut("here", "there")
    await here.until("lost")
    link.send(b"too late")
    network.heal()
    await link.flushed()
    assert there.told == []


@pytest.mark.promise(id="SEM-1326")
async def test_a_node_whose_broker_is_away_is_told_so_and_loses_nobody_by_it(
    network: MemoryNetwork,
) -> None:
    here, there = await two(network)
    here.watch(there)
    network.take_away("here")
    assert here.told == ["away"]
    network.heal()
    assert here.told == ["away", "here again", "back"]
    assert there.told == []


async def test_one_that_opens_under_the_same_name_is_another_node(network: MemoryNetwork) -> None:
    here, there = await two(network)
    here.watch(there)
    link = here.transport.connect(there.transport.address)
    network.kill(there.transport)
    successor = await End(network.transport("there")).open()
    link.send(b"not for you")
    await here.until("lost")
    assert successor.told == []
    here.transport.connect("memory:there").send(b"for you")
    await successor.until("for you")


async def test_what_a_node_had_sent_before_it_was_killed_and_is_under_way_is_lost(
    network: MemoryNetwork,
) -> None:
    here, there = await two(network)
    network.fate = lambda parcel: [0.001]
    here.transport.connect("memory:there").send(b"hello")
    await asyncio.sleep(0)
    network.kill(here.transport)
    await asyncio.sleep(0.005)
    assert there.told == []
