"""`TransportSuite`: proves that a transport keeps its promises."""

# ruff: noqa: D102  (the name of a test is its sentence)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from civitas.errors import ConfigurationError, PayloadError
from civitas.transport.contract import MAX_FRAME, Link, Transport, Watch

__all__ = ["TransportSuite"]

_PATIENCE = 15.0


class _End:
    """One open transport, and what arrived there."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.arrived: list[bytes] = []
        self.watches: list[Watch] = []
        self._changed = asyncio.Event()

    @property
    def address(self) -> str:
        return self.transport.address

    async def open(self) -> _End:
        await self.transport.open(self._receive)
        return self

    def connect(self, address: str, lost: Callable[[], None] | None = None) -> Link:
        """A link to a node that is watched as well; losing it is a failure if `lost` is not given."""
        link = self.transport.connect(address)
        self.watches.append(self.transport.watch(address, lambda: None, lost or _unexpected))
        return link

    def _receive(self, frame: bytes | memoryview) -> None:
        self.arrived.append(bytes(frame))
        self._changed.set()

    async def has(self, count: int) -> list[bytes]:
        """Wait until that many frames have arrived, and return them."""
        async with asyncio.timeout(_PATIENCE):
            while len(self.arrived) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.arrived


class TransportSuite:
    """The tests that every transport passes.

    Subclass it in a test module, give a fixture, and run pytest::

        class TestCarrierPigeons(TransportSuite):
            @pytest.fixture
            def make_transport(self):
                return lambda: PigeonTransport(node_timeout=0.5)   # a new one for each call, not open

    The transports lose a link after at most a second, and run in one event loop. The tests are async and run under
    pytest-asyncio, in either of its modes.
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def make_transport(self) -> Callable[[], Transport]:
        """Makes transports of one system, not open. Override it."""
        raise NotImplementedError(
            f"{type(self).__name__} must define a fixture named `make_transport`"
        )

    @pytest_asyncio.fixture
    async def end(
        self, make_transport: Callable[[], Transport]
    ) -> AsyncIterator[Callable[[], Any]]:
        """Opens a transport; all are closed when the test is over."""
        made: list[_End] = []

        async def one() -> _End:
            made.append(_End(make_transport()))
            return await made[-1].open()

        yield one
        for each in made:
            await each.transport.close()

    # Carrying.

    async def test_a_frame_arrives_as_it_was_sent(self, end: Any) -> None:
        here, there = await end(), await end()
        here.connect(there.address).send(b"\x00hello\xff")
        assert await there.has(1) == [b"\x00hello\xff"]

    async def test_an_empty_frame_arrives(self, end: Any) -> None:
        here, there = await end(), await end()
        here.connect(there.address).send(b"")
        assert await there.has(1) == [b""]

    async def test_many_frames_arrive_once_and_in_order(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        frames = [b"%d" % number for number in range(20_000)]
        for frame in frames:
            link.send(frame)
        assert await there.has(len(frames)) == frames

    async def test_frames_of_all_sizes_keep_their_order(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        sizes = [0, 1, 65_535, 65_536, 65_537, 3, 1_000_000, 2, 262_144, 0, 70_000]
        frames = [bytes([number]) * size for number, size in enumerate(sizes)] * 3
        for frame in frames:
            link.send(frame)
        assert await there.has(len(frames)) == frames

    async def test_the_largest_frame_arrives(self, end: Any) -> None:
        here, there = await end(), await end()
        frame = bytes(MAX_FRAME)
        here.connect(there.address).send(frame)
        assert await there.has(1) == [frame]

    async def test_a_frame_that_is_too_large_is_refused_at_the_sender(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        with pytest.raises(PayloadError, match="bytes are more than"):
            link.send(bytes(MAX_FRAME + 1))
        link.send(b"next")
        assert await there.has(1) == [b"next"]

    async def test_frames_sent_before_the_other_side_is_there_wait_for_it(
        self, end: Any, make_transport: Callable[[], Transport]
    ) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for number in range(100):
            link.send(b"%d" % number)
        assert there.arrived == []
        assert len(await there.has(100)) == 100

    async def test_two_nodes_send_to_each_other_at_once(self, end: Any) -> None:
        here, there = await end(), await end()
        to, back = (
            here.connect(there.address),
            there.connect(here.address),
        )
        frames = [b"%d" % number for number in range(2000)]
        for frame in frames:
            to.send(frame)
            back.send(frame)
        assert await here.has(len(frames)) == frames
        assert await there.has(len(frames)) == frames

    async def test_a_node_can_have_a_link_to_itself(self, end: Any) -> None:
        here = await end()
        here.connect(here.address).send(b"me")
        assert await here.has(1) == [b"me"]

    async def test_many_senders_each_keep_their_order(self, end: Any) -> None:
        there, *senders = [await end() for _ in range(5)]
        links = [each.connect(there.address) for each in senders]
        for number in range(500):
            for sender, link in enumerate(links):
                link.send(b"%d %d" % (sender, number))
        arrived = [tuple(map(int, frame.split())) for frame in await there.has(2000)]
        for sender in range(len(senders)):
            assert [n for who, n in arrived if who == sender] == list(range(500))

    # Urgent frames.

    async def test_an_urgent_frame_overtakes_what_waits(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for number in range(1000):
            link.send(b"%d" % number + bytes(20_000))
        link.send(b"urgent", urgent=True)
        arrived = await there.has(1001)
        assert arrived.index(b"urgent") == 0
        assert [frame.rstrip(b"\0") for frame in arrived[1:]] == [b"%d" % n for n in range(1000)]

    async def test_urgent_frames_keep_their_order_among_themselves(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for number in range(100):
            link.send(b"other")
            link.send(b"%d" % number, urgent=True)
        arrived = await there.has(200)
        assert [frame for frame in arrived if frame != b"other"] == [b"%d" % n for n in range(100)]

    # The event loop.

    async def test_a_flood_leaves_turns_to_everybody_else(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for _ in range(20_000):
            link.send(b"flood")
        most, before = 0, 0
        async with asyncio.timeout(_PATIENCE):
            while len(there.arrived) < 20_000:
                await asyncio.sleep(0)
                most = max(most, len(there.arrived) - before)
                before = len(there.arrived)
        assert most <= 2000

    async def test_pump_hands_over_at_once_what_has_arrived(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for _ in range(5000):
            link.send(b"frame")
        await there.has(1)
        await there.transport.pump()
        assert len(there.arrived) > 1

    async def test_a_receiver_that_raises_gets_the_next_frame(
        self, end: Any, make_transport: Callable[[], Transport], caplog: pytest.LogCaptureFixture
    ) -> None:
        here, there = await end(), make_transport()
        arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(frame: bytes | memoryview) -> None:
            if frame == b"bad":
                raise ValueError("on purpose")
            arrived.set_result(bytes(frame))

        await there.open(receive)
        link = here.connect(there.address)
        link.send(b"bad")
        link.send(b"good")
        async with asyncio.timeout(_PATIENCE):
            assert await arrived == b"good"
        await there.close()
        assert "on purpose" in caplog.text

    # The end.

    async def test_flushed_returns_when_everything_has_arrived(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.connect(there.address)
        for _ in range(1000):
            link.send(bytes(1000))
        async with asyncio.timeout(_PATIENCE):
            await link.flushed()
        await there.transport.pump()
        assert len(there.arrived) == 1000

    async def test_a_link_that_is_closed_carries_nothing_more(self, end: Any) -> None:
        here, there = await end(), await end()
        first = here.connect(there.address)
        first.send(b"before")
        await there.has(1)
        first.close()
        first.close()
        first.send(b"after")
        await first.flushed()
        here.connect(there.address).send(b"second")
        assert await there.has(2) == [b"before", b"second"]

    async def test_closing_a_link_ends_a_wait_for_its_flush(self, end: Any) -> None:
        here, there = await end(), await end()
        link = here.transport.connect(there.address)
        await there.transport.close()
        link.send(b"nobody reads this")
        waiting = asyncio.ensure_future(link.flushed())
        await asyncio.sleep(0)
        link.close()
        async with asyncio.timeout(_PATIENCE):
            await waiting

    async def test_a_transport_with_frames_that_wait_closes_at_once(self, end: Any) -> None:
        here, there = await end(), await end()
        address = there.address
        await there.transport.close()
        link = here.transport.connect(address)
        for _ in range(100):
            link.send(bytes(100_000))
        await asyncio.sleep(0)
        async with asyncio.timeout(_PATIENCE):
            await here.transport.close()

    async def test_a_transport_can_be_closed_twice_and_without_open(
        self, end: Any, make_transport: Callable[[], Transport]
    ) -> None:
        here = await end()
        await here.transport.close()
        await here.transport.close()
        await make_transport().close()

    # Other nodes.

    async def test_no_two_runs_have_the_same_address(self, end: Any) -> None:
        addresses = {(await end()).address for _ in range(5)}
        assert len(addresses) == 5

    async def test_a_node_that_never_was_is_lost(self, end: Any) -> None:
        here, gone = await end(), await end()
        await gone.transport.close()
        lost = _Lost()
        here.connect(gone.address, lost).send(b"anybody?")
        await lost.heard()

    async def test_a_node_that_goes_away_is_lost_once(self, end: Any) -> None:
        here, there = await end(), await end()
        lost = _Lost()
        link = here.connect(there.address, lost)
        link.send(b"hello")
        await there.has(1)
        await there.transport.close()
        await lost.heard()
        link.send(b"into the void")
        link.close()
        assert lost.times == 1

    async def test_a_watch_that_is_closed_tells_nothing(self, end: Any) -> None:
        here, there, other = await end(), await end(), await end()
        lost, later = _Lost(), _Lost()
        link = here.connect(there.address, lost)
        await there.transport.close()
        await other.transport.close()
        link.close()
        here.watches[-1].close()
        here.watches[-1].close()
        here.connect(other.address, later)
        await later.heard()
        assert lost.times == 0

    async def test_a_node_is_watched_without_a_link_to_it(self, end: Any) -> None:
        here, there = await end(), await end()
        lost = _Lost()
        here.transport.watch(there.address, _unexpected, lost)
        await there.transport.close()
        await lost.heard()

    async def test_each_watch_over_a_node_is_told(self, end: Any) -> None:
        here, there = await end(), await end()
        first, second = _Lost(), _Lost()
        for lost in (first, second):
            here.transport.watch(there.address, _unexpected, lost)
        await there.transport.close()
        await first.heard()
        await second.heard()

    async def test_what_is_no_address_cannot_be_watched(self, end: Any) -> None:
        here = await end()
        with pytest.raises(ConfigurationError, match="address"):
            here.transport.watch("nowhere", _unexpected, _unexpected)

    async def test_what_is_no_address_is_refused(self, end: Any) -> None:
        here = await end()
        with pytest.raises(ConfigurationError, match="address"):
            here.connect("nowhere")


class _Lost:
    def __init__(self) -> None:
        self.times = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self._event.set()

    async def heard(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._event.wait()


def _unexpected() -> None:
    pytest.fail("a link was lost")
