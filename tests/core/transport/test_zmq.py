"""What is particular to ZMQ: addresses, keys, connections that break."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from civitas.message.large import Large
from civitas.transport import window
from civitas.transport.zmq.inbox import BYTES_IN_A_TURN
from civitas.transport.zmq.keys import Keys

LOOPBACK = "tcp://127.0.0.1:*"


class Wire:
    """A proxy in front of a port, whose connections can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self._refuses = False
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._close()
        # A connection that was just accepted gets its task a few turns later, and one that is cut ends a turn later.
        for _turn in range(50):
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)
        await self._server.wait_closed()

    def cut(self) -> int:
        """Break every connection; return how many there were."""
        cut = len(self._writers)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        return cut

    def refuse(self) -> None:
        """Break every connection, and take no other."""
        self._close()
        self._refuses = True
        self.cut()

    def _close(self) -> None:
        loop = asyncio.get_running_loop()
        for listening in self._server.sockets:
            loop.remove_reader(listening.fileno())
        # A turn later: asyncio leaves open for good what it accepted just before its server is closed.
        loop.call_soon(self._server.close)

    async def _serve(self, reader, writer):
        if self._refuses:  # it was accepted before
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [writer]
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(to_writer)
            self._writers += ends
            await asyncio.gather(self._copy(reader, to_writer), self._copy(to_reader, writer))
        except OSError:
            pass  # the node is gone
        finally:
            for each in ends:
                each.transport.abort()
            self._tasks.discard(task)

    async def _copy(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def port_of(address: str) -> int:
    return int(address.partition("#")[0].rpartition(":")[2])


# Connections that break.


async def test_a_connection_that_breaks_and_comes_back_loses_and_repeats_nothing(end):
    here, there = await end(node_timeout=5.0), await end(node_timeout=5.0, address=LOOPBACK)
    async with Wire(port_of(there.address)) as wire:
        address = there.address.replace(str(port_of(there.address)), str(wire.port))
        link = here.connect(address)
        frames = [b"%d " % number + bytes(number % 3000) for number in range(10_000)]
        for part in range(0, len(frames), 2000):
            for frame in frames[part : part + 2000]:
                link.send(frame)
            await there.has(part + 1000)
            assert wire.cut()
        assert await there.has(len(frames)) == frames
        async with asyncio.timeout(10):
            await link.flushed()
        assert here.lost == 0
        link.close()


async def test_a_link_with_a_detour_that_is_cut_for_good_loses_and_repeats_nothing(end):
    here, there = await end(), await end(address=LOOPBACK)
    async with Wire(port_of(there.address)) as wire:
        address = there.address.replace(str(port_of(there.address)), str(wire.port))
        by_detour = []

        def detour(parcel):
            by_detour.append(parcel)
            there.transport.take_parcel(parcel)

        link = here.connect(address)
        here.transport.detour(address, detour)
        frames = [b"%d " % number + bytes(number % 3000) for number in range(10_000)]
        for frame in frames[:5000]:
            link.send(frame)
        await there.has(2000)
        wire.refuse()
        for frame in frames[5000:9000]:
            link.send(frame)
        await there.has(9000)
        assert by_detour
        for frame in frames[9000:]:
            link.send(frame)
        async with asyncio.timeout(10):
            await link.flushed()
        assert await there.has(len(frames)) == frames
        link.close()
        link.send(b"too late")
    assert here.lost == 0
    assert there.arrived == frames


@pytest.mark.promise(id="SEM-1136")
async def test_a_quiet_link_is_not_forgotten_for_those_of_others(end, monkeypatch):
    """Those of nodes that are gone are; who is taken for gone wrongly learns it."""
    monkeypatch.setattr(window, "_LINKS", 6)
    here, quiet, left = await end(), await end(), await end()
    back = here.connect(quiet.address)
    links = [each.connect(here.address) for each in (quiet, left)]
    for link in links:
        link.send(b"hello")
        await link.flushed()
    stranger = await end()
    for n in range(40):
        link = stranger.connect(here.address)
        link.send(b"stranger")
        await here.has(n + 3)
        link.close()
    links[0].send(b"still there")
    await here.has(43)
    assert here.arrived[-1] == b"still there"
    links[1].send(b"too late")
    await links[1].flushed()
    assert (quiet.lost, left.lost) == (0, 1)
    back.close()


async def test_an_idle_link_that_was_cut_carries_the_next_frame(end):
    here, there = await end(node_timeout=5.0), await end(node_timeout=5.0, address=LOOPBACK)
    async with Wire(port_of(there.address)) as wire:
        link = here.connect(there.address.replace(str(port_of(there.address)), str(wire.port)))
        link.send(b"before")
        await there.has(1)
        wire.cut()
        link.send(b"after")
        assert await there.has(2) == [b"before", b"after"]
        link.close()


async def test_a_successor_on_the_same_port_gets_nothing_meant_for_its_predecessor(end):
    here, there = await end(node_timeout=5.0), await end(address=LOOPBACK)
    link = here.connect(there.address)
    link.send(b"hello")
    await there.has(1)
    await there.transport.close()
    successor = await end(address=f"tcp://127.0.0.1:{port_of(there.address)}")
    link.send(b"not for you")
    await here.until(lambda: here.lost == 1)
    assert successor.arrived == []


async def test_an_address_without_a_run_is_that_of_whoever_is_there(end):
    here, there = await end(), await end(address=LOOPBACK)
    here.connect(there.address.partition("#")[0]).send(b"hello")
    assert await there.has(1) == [b"hello"]


@pytest.mark.promise(id="SEM-1177")
async def test_what_is_no_batch_is_logged_once_and_counted_and_does_no_harm(end, caplog):
    import zmq

    here, there = await end(), await end(address=LOOPBACK)
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.connect(there.address.partition("#")[0])
        for garbage in (b"", b"garbage", bytes(30), b"\x01" + b"\xff" * 40):
            stranger.send(garbage)
        here.connect(there.address).send(b"hello")
        assert await there.has(1) == [b"hello"]
        async with asyncio.timeout(10):
            while there.transport._inbox._no_batches._passed_over < 3:
                await asyncio.sleep(0)
        stranger.linger = 0
    await there.transport.close()
    assert caplog.text.count("not a Civitas batch") == 1
    assert "... and 3 more of this kind" in caplog.text


@pytest.mark.promise(id="SEM-1235")
@pytest.mark.parametrize("keys", [None, Keys.new()], ids=["no keys", "keys"])
async def test_a_connection_that_says_nothing_is_closed(end, monkeypatch, keys):
    monkeypatch.setattr("civitas.transport.zmq.transport._HANDSHAKE", 50)
    there = await end(address=LOOPBACK, keys=keys)
    port = int(there.address.partition("#")[0].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        while await reader.read(1000):
            pass
    writer.close()
    await writer.wait_closed()


# Coalescing.


async def test_frames_of_one_turn_travel_together(end):
    here, there = await end(), await end()
    link = here.connect(there.address)
    for _ in range(100):
        link.send(b"frame")
    await there.has(100)
    assert link._window._next_number == 1


# Addresses.


async def test_large_frames_leave_the_loop_to_others_in_between(end):
    a, b = await end(), await end()
    turns = 0
    arrived_in: list[int] = []

    def turn() -> None:
        nonlocal turns
        turns += 1
        turning.append(asyncio.get_running_loop().call_soon(turn))

    receive = b.receive

    def arrive(frame: bytes) -> None:
        arrived_in.append(turns)
        receive(frame)

    b.transport._inbox._receive = arrive
    turning: list[asyncio.Handle] = []
    turn()
    link = a.connect(b.address)
    for _ in range(8):
        link.send(bytes(2 * 1024 * 1024))
    await b.has(8)
    turning[-1].cancel()
    assert len(set(arrived_in)) >= 4, arrived_in  # one a turn, which begins before or after ours


@pytest.mark.promise(id="SEM-1282")
async def test_a_large_frame_takes_many_turns_of_both_loops_and_others_come_between(
    end, monkeypatch
):
    a, b = await end(), await end()
    there = a.connect(b.address)
    back = b.connect(a.address)
    there.send(b"first")
    back.send(b"first")
    await a.has(1)
    await b.has(1)
    turn = 0
    turning: list[asyncio.Handle] = []

    def tick() -> None:
        nonlocal turn
        turn += 1
        turning.append(asyncio.get_running_loop().call_soon(tick))

    left: dict[int, tuple[int, int]] = {}
    came: dict[int, tuple[int, int]] = {}  # of each batch, the turn and its bytes
    sends, takes = there._window, b.transport._inbox._window
    next_batch, take = sends.next, takes.take

    def leaving() -> Any:
        batch = next_batch()
        if batch is not None:
            left[batch.number] = turn, sum(map(len, batch.frames))
        return batch

    def coming(batch: Any) -> Any:
        if batch.link == there._window._link:
            came[batch.number] = turn, sum(map(len, batch.frames))
        return take(batch)

    monkeypatch.setattr(sends, "next", leaving)
    monkeypatch.setattr(takes, "take", coming)
    size = 48 * 1024 * 1024
    there.send_large(Large(bytes(size // 2), bytes(size // 2)))
    asyncio.get_running_loop().call_soon(lambda: there.send(b"urgent", urgent=True))
    tick()
    assert [len(frame) for frame in await b.has(3)] == [5, 6, size]
    turning[-1].cancel()
    for batches in (left, came):
        in_turn: Counter[int] = Counter()
        for at, moved in batches.values():
            in_turn[at] += moved
        assert in_turn.total() == size + 6
        # Once for a signal and once for what was left; and ours begins before theirs or behind them.
        assert max(in_turn.values()) <= 4 * BYTES_IN_A_TURN + 6, in_turn


# Imports.


def test_civitas_does_not_import_pyzmq():
    code = "import sys, civitas, civitas.transport; sys.exit('zmq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_pyzmq_is_named_with_the_line_that_mends_it():
    code = (
        "import sys; sys.modules['zmq'] = None\n"
        "from civitas.errors import ConfigurationError\n"
        "try:\n from civitas.transport.zmq import ZmqTransport\n"
        "except ConfigurationError as error:\n print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'civitas-core[zmq]'" in found.stdout
