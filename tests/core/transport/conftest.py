"""Ends of a link, in this process and in others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from civitas.transport.contract import Transport
from civitas.transport.zmq import ZmqTransport

PATIENCE = 15.0


class End:
    """A transport, and what arrived there."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.arrived: list[bytes] = []
        self.lost = 0
        self.cut_off: list[bool] = []
        self._changed = asyncio.Event()

    @property
    def address(self) -> str:
        return self.transport.address

    def connect(self, address: str):
        link = self.transport.connect(address)
        self.transport.watch(address, lambda: None, self._lost)
        return link

    def receive(self, frame: bytes | memoryview) -> None:
        self.arrived.append(bytes(frame))
        self._changed.set()

    def tell_cut_off(self, cut_off: bool) -> None:
        self.cut_off.append(cut_off)
        self._changed.set()

    def _lost(self) -> None:
        self.lost += 1
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def has(self, count: int) -> list[bytes]:
        await self.until(lambda: len(self.arrived) >= count)
        return self.arrived


@pytest.fixture
async def end() -> AsyncIterator[Callable[..., Awaitable[End]]]:
    """Opens a transport; all are closed when the test is over."""
    made: list[End] = []

    async def one(**options) -> End:
        made.append(End(ZmqTransport(**{"node_timeout": 0.3, **options})))
        await made[-1].transport.open(made[-1].receive)
        return made[-1]

    yield one
    for each in made:
        await each.transport.close()


class Peer:
    """A node in another OS process."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address


@pytest.fixture
async def peer() -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Starts a node in an OS process of its own."""
    started: list[Peer] = []

    async def one(node_timeout: float = 0.3) -> Peer:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("peer.py")),
            str(node_timeout),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        started.append(Peer(process, (await process.stdout.readline()).decode().strip()))
        return started[-1]

    yield one
    for each in started:
        with suppress(ProcessLookupError):
            each.process.kill()
        await each.process.communicate()
        folder = Path(each.address.removeprefix("ipc://").partition("#")[0]).parent
        with suppress(OSError):  # who is killed cannot remove it
            (folder / "s").unlink(missing_ok=True)
            folder.rmdir()
