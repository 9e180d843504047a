"""The least program that asks over NATS: what an ask costs in Python where nothing is kept alive.

Each side is an `asyncio.Protocol` at the server. A payload is packed once on each way, an ask is a future, a coroutine
handles each, one after the other, and all frames of a turn of the event loop are one message. Nobody is supervised,
nothing has a deadline, no mailbox is bounded, and what is lost is lost.

`python -m benchmarks.bare HOST:PORT` is the side that answers.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, TypeVar

import msgpack

__all__ = ["Asker", "asker"]

_ASKER, _ANSWERER = b"bare.asker", b"bare.answerer"

Frame = tuple[int, bytes]
"""The number of an ask, and what is asked or answered."""


class _Side(asyncio.Protocol):
    """One side.

    Args:
        own: The subject at which it takes frames.
        other: That of the other side.
    """

    def __init__(self, own: bytes, other: bytes) -> None:
        self.loop = asyncio.get_running_loop()
        self.subscribed: asyncio.Future[None] = self.loop.create_future()
        self._own, self._other = own, other
        self._transport: Any = None
        self._read = b""
        self._frames: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in and subscribe."""
        self._transport = transport
        self._transport.write(b'CONNECT {"verbose":false}\r\nSUB %b 1\r\nPING\r\n' % self._own)

    def data_received(self, data: bytes) -> None:
        """Take what the server sends."""
        data, at = self._read + data, 0
        while (end := data.find(b"\r\n", at)) >= 0:
            begin = end + 2
            if data.startswith(b"MSG ", at):
                size = int(data[data.rfind(b" ", at, end) : end])
                if len(data) < begin + size + 2:
                    break
                frames = msgpack.Unpacker()
                frames.feed(data[begin : begin + size])
                self.take(frames)
                begin += size + 2
            elif data.startswith(b"PING", at):
                self._transport.write(b"PONG\r\n")
            elif data.startswith(b"PONG", at):
                self.subscribed.set_result(None)
            at = begin
        self._read = data[at:]

    def send(self, number: int, payload: object) -> None:
        """Send a frame with all others of this turn."""
        if not self._frames:
            self.loop.call_soon(self._flush)
        self._frames.append(msgpack.packb((number, msgpack.packb(payload))))

    def _flush(self) -> None:
        body = b"".join(self._frames)
        self._frames.clear()
        self._transport.write(b"PUB %b %d\r\n%b\r\n" % (self._other, len(body), body))

    def take(self, frames: Iterable[Frame]) -> None:
        """Take the frames of a message."""
        raise NotImplementedError


class Asker(_Side):
    """The side that asks."""

    def __init__(self) -> None:
        super().__init__(_ASKER, _ANSWERER)
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    async def ask(self, payload: object) -> Any:
        """Ask, and wait for the answer."""
        number = next(self._numbers)
        self.send(number, payload)
        answer = self._waiting[number] = self.loop.create_future()
        return msgpack.unpackb(await answer)

    def take(self, frames: Iterable[Frame]) -> None:
        """Answers."""
        for number, raw in frames:
            self._waiting.pop(number).set_result(raw)


class _Answerer(_Side):
    """The side that answers with what it was asked."""

    def __init__(self) -> None:
        super().__init__(_ANSWERER, _ASKER)
        self._asked: deque[Frame] = deque()
        self._comes = asyncio.Event()

    def take(self, frames: Iterable[Frame]) -> None:
        """Questions."""
        self._asked.extend(frames)
        self._comes.set()

    async def handle_all(self) -> None:
        """Handle one after the other."""
        while True:
            self._comes.clear()
            while self._asked:
                number, raw = self._asked.popleft()
                self.send(number, await self._handle(msgpack.unpackb(raw)))
            await self._comes.wait()

    async def _handle(self, payload: Any) -> Any:
        return payload


_AnySide = TypeVar("_AnySide", bound=_Side)


@asynccontextmanager
async def _connected(side: _AnySide, where: str) -> AsyncIterator[_AnySide]:
    host, _, port = where.partition(":")
    transport, _ = await side.loop.create_connection(lambda: side, host, int(port))
    try:
        await side.subscribed
        yield side
    finally:
        transport.close()


@asynccontextmanager
async def asker(where: str) -> AsyncIterator[Asker]:
    """The side that asks, with the other in a process of its own, at the server with that host and port."""
    command = [sys.executable, "-m", "benchmarks.bare", where]
    other = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert other.stdout is not None
        await other.stdout.readline()
        async with _connected(Asker(), where) as side:
            yield side
    finally:
        other.kill()
        await other.wait()


async def _answer(where: str) -> None:
    async with _connected(_Answerer(), where) as side:
        print("ready", flush=True)
        await side.handle_all()


if __name__ == "__main__":
    asyncio.run(_answer(sys.argv[1]))
