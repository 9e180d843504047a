"""Frames between two OS processes: a link of Civitas beside raw pyzmq with asyncio, ROUTER and DEALER."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.harness import Benchmark, Measurement, at_least, at_most
from civitas.transport.contract import Link
from civitas.transport.zmq import ZmqTransport

__all__ = ["LINK", "LINKS", "PUSH", "at_once", "between", "one_at_a_time", "pushed"]

_FRAME = bytes(150)
_SINGLE, _GROUP, _GROUPS, _PUSHED = 1000, 64, 100, 50_000

Exchange = Callable[[int], Awaitable[None]]
"""Send so many frames, and return when that many came back."""


async def _echo_raw() -> None:
    """Echo what comes, but for what begins with a q."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.set_hwm(0)
        socket.bind("tcp://127.0.0.1:*")
        print(socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0"), flush=True)
        while True:
            sender, frame = await socket.recv_multipart()
            if frame[:1] != b"q":
                await socket.send_multipart((sender, frame))


async def _echo_civitas() -> None:
    transport = ZmqTransport(address="tcp://127.0.0.1:*")
    back: Link | None = None

    def receive(frame: Any) -> None:
        nonlocal back
        if back is None:
            back = transport.connect(frame.decode())
        elif frame[:1] != b"q":
            back.send(frame)

    await transport.open(receive)
    print(transport.address, flush=True)
    await asyncio.Event().wait()


async def _with_raw(
    address: str, measure: Callable[[Exchange, Exchange], Awaitable[float]]
) -> float:
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.set_hwm(0)
        socket.connect(address)

        async def one() -> None:
            await socket.send(_FRAME)
            await socket.recv()

        async def exchange(count: int) -> None:
            await asyncio.gather(*(one() for _ in range(count)))

        async def push(count: int) -> None:
            for _ in range(count):
                await socket.send(b"q" + _FRAME)
            await exchange(1)

        return await measure(exchange, push)


async def _with_civitas(
    address: str, measure: Callable[[Exchange, Exchange], Awaitable[float]]
) -> float:
    transport = ZmqTransport(address="tcp://127.0.0.1:*")
    loop = asyncio.get_running_loop()
    left = 0
    done: asyncio.Future[None] = loop.create_future()

    def receive(frame: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    await transport.open(receive)
    link = transport.connect(address)
    link.send(transport.address.encode())

    async def exchange(count: int) -> None:
        nonlocal left, done
        left, done = count, loop.create_future()
        for _ in range(count):
            link.send(_FRAME)
        await done

    async def push(count: int) -> None:
        for _ in range(count):
            link.send(b"q" + _FRAME)
        await exchange(1)

    try:
        return await measure(exchange, push)
    finally:
        await transport.close()


_SIDES = {"limit": (_echo_raw, _with_raw), "civitas": (_echo_civitas, _with_civitas)}


def between(name: str, measure: Callable[[Exchange, Exchange], Awaitable[float]]) -> Measurement:
    """Measure between this process and another of the side `name`."""

    def once() -> float:
        command = [sys.executable, "-m", "benchmarks.links", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            try:
                return asyncio.run(_SIDES[name][1](other.stdout.readline().strip(), measure))
            finally:
                other.kill()

    return once


async def one_at_a_time(exchange: Exchange, push: Exchange) -> float:
    """Microseconds there and back, one after another."""
    await exchange(1)
    started = time.perf_counter()
    for _ in range(_SINGLE):
        await exchange(1)
    return (time.perf_counter() - started) / _SINGLE * 1e6


async def at_once(exchange: Exchange, push: Exchange) -> float:
    """How many a second go there and back, 64 at once."""
    await exchange(1)
    started = time.perf_counter()
    for _ in range(_GROUPS):
        await exchange(_GROUP)
    return _GROUP * _GROUPS / (time.perf_counter() - started)


async def pushed(exchange: Exchange, push: Exchange) -> float:
    """How many a second go there."""
    await exchange(1)
    started = time.perf_counter()
    await push(_PUSHED)
    return _PUSHED / (time.perf_counter() - started)


LINK = Benchmark(
    "frame there and back over ZMQ, one at a time",
    "µs",
    {name: between(name, one_at_a_time) for name in _SIDES},
    at_most(1.25),
)
LINKS = Benchmark(
    "frames there and back over ZMQ, 64 at once",
    "/s",
    {name: between(name, at_once) for name in _SIDES},
    at_least(0.8),
)
PUSH = Benchmark(
    "frames pushed over ZMQ",
    "/s",
    {name: between(name, pushed) for name in _SIDES},
    at_least(0.5),
)

if __name__ == "__main__":
    asyncio.run(_SIDES[sys.argv[1]][0]())
