"""Messages in one process: ask, send, and many asks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgpack
import pykka

from benchmarks.agents import Sink, echoes
from benchmarks.harness import PAYLOAD, Benchmark, at_least, at_most, in_loop, now
from civitas import Runtime, Supervisor

__all__ = ["ASK", "CROWD", "SEND"]

_ASKS = 5_000
_SENDS = 200_000
_MAILBOX = 1000
_AGENTS, _ASKERS = 1000, 100
_ACTOR_ASKS = 10_000


def _same(payload: Any) -> Any:
    return payload


@asynccontextmanager
async def _tasks(
    count: int, read: Callable[[Any], Any], write: Callable[[Any], Any]
) -> AsyncIterator[list[asyncio.Queue[Any]]]:
    """Bare tasks that answer what comes into their queue."""
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in range(count)]

    async def serve(queue: asyncio.Queue[Any]) -> None:
        while True:
            answer, payload = await queue.get()
            answer.set_result(write(read(payload)))

    tasks = [asyncio.create_task(serve(queue)) for queue in queues]
    try:
        yield queues
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Actor(pykka.ThreadingActor):
    use_daemon_thread = True

    def on_receive(self, message: Any) -> Any:
        return message


@contextmanager
def _actors(count: int) -> Any:
    actors = [_Actor.start() for _ in range(count)]
    try:
        yield actors
    finally:
        for actor in actors:
            actor.stop(block=False)
        pykka.ActorRegistry.stop_all()


# One ask after another: microseconds of each.


def _bare_ask(
    write: Callable[[Any], Any] = _same, read: Callable[[Any], Any] = _same
) -> Callable[[], Awaitable[float]]:
    async def ask() -> float:
        loop = asyncio.get_running_loop()
        async with _tasks(1, read, write) as (queue,):
            started = now()
            for _ in range(_ASKS):
                answer = loop.create_future()
                queue.put_nowait((answer, write(PAYLOAD)))
                read(await answer)
            return (now() - started) / _ASKS * 1e6

    return ask


def _pykka_ask() -> float:
    with _actors(1) as (actor,):
        started = now()
        for _ in range(_ASKS):
            actor.ask(PAYLOAD)
        return (now() - started) / _ASKS * 1e6


async def _civitas_ask() -> float:
    async with Runtime(echoes(1)) as runtime:
        started = now()
        for _ in range(_ASKS):
            reply = await runtime.ask("e0", PAYLOAD)
            assert reply.payload
        return (now() - started) / _ASKS * 1e6


# Send until handled: thousands a second. Everybody's mailbox is bounded, but pykka's, which has no bound.


def _bare_send(
    write: Callable[[Any], Any] = _same, read: Callable[[Any], Any] = _same
) -> Callable[[], Awaitable[float]]:
    async def send() -> float:
        queue: asyncio.Queue[Any] = asyncio.Queue(_MAILBOX)

        async def handle(payload: Any) -> None:
            assert payload

        async def serve() -> None:
            for _ in range(_SENDS):
                await handle(read(await queue.get()))

        task = asyncio.create_task(serve())
        started = now()
        for _ in range(_SENDS):
            await queue.put(write(PAYLOAD))
        await task
        return _SENDS / (now() - started) / 1e3

    return send


def _pykka_tell() -> float:
    with _actors(1) as (actor,):
        started = now()
        for _ in range(_SENDS):
            actor.tell(PAYLOAD)
        actor.ask(None)
        return _SENDS / (now() - started) / 1e3


async def _civitas_send() -> float:
    done = asyncio.Event()
    async with Runtime(Supervisor("root", children=[Sink("sink", _SENDS, done)])) as runtime:
        started = now()
        for _ in range(_SENDS):
            await runtime.send("sink", PAYLOAD)
        await done.wait()
        return _SENDS / (now() - started) / 1e3


# A crowd: 100 askers at once, each asks every one of 1000 agents. Thousands of asks a second.


async def _bare_crowd() -> float:
    loop = asyncio.get_running_loop()
    write, read = msgpack.packb, msgpack.unpackb
    async with _tasks(_AGENTS, read, write) as queues:

        async def ask_around(first: int) -> None:
            for number in range(first, first + _AGENTS):
                answer = loop.create_future()
                queues[number % _AGENTS].put_nowait((answer, write(PAYLOAD)))
                read(await answer)

        return await _crowd(ask_around)


def _pykka_crowd() -> float:
    with _actors(_AGENTS) as actors:
        started = now()
        for round_ in range(_ACTOR_ASKS // _ASKERS):
            first = round_ * _ASKERS
            asked = [
                actors[(first + number) % _AGENTS].ask(PAYLOAD, block=False)
                for number in range(_ASKERS)
            ]
            pykka.get_all(asked)
        return _ACTOR_ASKS / (now() - started) / 1e3


async def _civitas_crowd() -> float:
    async with Runtime(echoes(_AGENTS)) as runtime:
        names = [f"e{number}" for number in range(_AGENTS)]

        async def ask_around(first: int) -> None:
            for number in range(first, first + _AGENTS):
                reply = await runtime.ask(names[number % _AGENTS], PAYLOAD)
                assert reply.payload

        return await _crowd(ask_around)


async def _crowd(ask_around: Callable[[int], Awaitable[None]]) -> float:
    apart = _AGENTS // _ASKERS
    started = now()
    await asyncio.gather(*(ask_around(number * apart) for number in range(_ASKERS)))
    return _AGENTS * _ASKERS / (now() - started) / 1e3


ASK = Benchmark(
    "ask, one after another",
    "µs",
    {
        "limit": in_loop(_bare_ask()),
        "limit with copies": in_loop(_bare_ask(msgpack.packb, msgpack.unpackb)),
        "pykka": _pykka_ask,
        "civitas": in_loop(_civitas_ask),
    },
    at_most(1.1),
)
SEND = Benchmark(
    "send, until handled",
    "k/s",
    {
        "limit": in_loop(_bare_send(msgpack.packb, msgpack.unpackb)),
        "limit without copies": in_loop(_bare_send()),
        "pykka": _pykka_tell,
        "civitas": in_loop(_civitas_send),
    },
    at_least(0.85),
)
CROWD = Benchmark(
    "1000 agents, 100 asks at once",
    "k/s",
    {"limit": in_loop(_bare_crowd), "pykka": _pykka_crowd, "civitas": in_loop(_civitas_crowd)},
    at_least(0.75),
)
