"""Agents in an OS process of their own: asks and sends over ZMQ beside raw pyzmq, and what a killed process costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import links
from benchmarks.harness import PAYLOAD, Benchmark, Measurement, Target, at_least, at_most, in_loop
from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.errors import NodeDown

__all__ = [
    "ACCEPT",
    "ACCEPTS",
    "ASK",
    "ASKS",
    "NEIGHBOUR",
    "RECOVERY",
    "SEND",
    "STREAM",
    "Counter",
    "Sender",
    "Slow",
    "Teller",
]

_SINGLE, _GROUP, _EACH, _SENDS, _FLOOD, _CHUNKS = 1000, 64, 100, 50_000, 20_000, 100_000


class Counter(AgentProcess):
    """Counts what it is sent, and says how many when asked."""

    def __init__(self, name: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.count = 0

    async def handle(self, message: Message) -> Message | None:
        """Count, or answer."""
        if message.type == "count":
            return self.reply([self.count, os.getpid()])
        assert message.payload
        self.count += 1
        return None


class Sender(AgentProcess):
    """Sends as it is told, and answers with the seconds until all was accepted."""

    async def handle(self, message: Message) -> Message:
        """Send one after another, or so many at once."""
        groups, at_once = message.payload
        started = time.perf_counter()
        for _ in range(groups):
            if at_once == 1:
                await self.send("sure", PAYLOAD)
            else:
                await asyncio.gather(*(self.send("sure", PAYLOAD) for _ in range(at_once)))
        return self.reply(time.perf_counter() - started)


class Slow(Counter):
    """Takes a millisecond for each message."""

    async def handle(self, message: Message) -> Message | None:
        """Count, slowly."""
        await asyncio.sleep(0.001)
        return await super().handle(message)


class Teller(AgentProcess):
    """Emits as many chunks as it is told, and waits for nothing but its reader."""

    async def handle(self, message: Message) -> Message:
        """Emit."""
        for _ in range(message.payload):
            await self.emit({"text": "token "})
        return self.reply(None)


def _runtime() -> Runtime:
    agents = {"echo": "benchmarks.agents.Echo", "counter": "benchmarks.workers.Counter"}
    agents |= {"slow": "benchmarks.workers.Slow", "teller": "benchmarks.workers.Teller"}
    children: list[dict[str, Any]] = [
        {"agent": {"name": name, "type": kind, "process": "worker"}}
        for name, kind in agents.items()
    ]
    sure = {"name": "sure", "type": "benchmarks.workers.Counter", "delivery": "at_least_once"}
    sender = {"name": "sender", "type": "benchmarks.workers.Sender", "process": "other"}
    children += [{"agent": {**sure, "process": "worker"}}, {"agent": sender}]
    return Runtime.from_config({"supervision": {"children": children, "max_restarts": 100}})


def _with_worker(measure: Callable[[Runtime], Awaitable[float]]) -> Measurement:
    async def once() -> float:
        async with _runtime() as runtime:
            await runtime.ask("echo", PAYLOAD)
            return await measure(runtime)

    return in_loop(once)


def _in_process(measure: Callable[[Runtime], Awaitable[float]]) -> Measurement:
    async def once() -> float:
        async with Runtime(Supervisor("root", children=[Teller("teller")])) as runtime:
            return await measure(runtime)

    return in_loop(once)


def _beside(
    limit: Callable[[links.Exchange, links.Exchange], Awaitable[float]],
    ours: Callable[[Runtime], Awaitable[float]],
) -> dict[str, Measurement]:
    """The same between two processes by raw pyzmq and by us."""
    return {"limit": links.between("limit", limit), "civitas": _with_worker(ours)}


async def _one_at_a_time(runtime: Runtime) -> float:
    started = time.perf_counter()
    for _ in range(_SINGLE):
        await runtime.ask("echo", PAYLOAD)
    return (time.perf_counter() - started) / _SINGLE * 1e6


async def _at_once(runtime: Runtime) -> float:
    async def ask() -> None:
        for _ in range(_EACH):
            await runtime.ask("echo", PAYLOAD)

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(_GROUP)))
    return _GROUP * _EACH / (time.perf_counter() - started)


async def _sent(runtime: Runtime) -> float:
    started = time.perf_counter()
    for _ in range(_SENDS):
        await runtime.send("counter", PAYLOAD)
    count, _ = (await runtime.ask("counter", None, "count", timeout=60)).payload
    assert count == _SENDS, f"{_SENDS - count} were lost"
    return _SENDS / (time.perf_counter() - started)


async def _accepted(runtime: Runtime) -> float:
    seconds: float = (await runtime.ask("sender", [_SINGLE, 1])).payload
    return seconds / _SINGLE * 1e6


async def _accepted_at_once(runtime: Runtime) -> float:
    seconds: float = (await runtime.ask("sender", [_EACH, _GROUP])).payload
    return _GROUP * _EACH / seconds


async def _streamed(runtime: Runtime) -> float:
    started, heard = time.perf_counter(), -1  # the reply is no chunk
    async for _ in runtime.stream("teller", _CHUNKS, timeout=None):
        heard += 1
    assert heard == _CHUNKS, f"{_CHUNKS - heard} were lost"
    return _CHUNKS / (time.perf_counter() - started) / 1e3


async def _p99(runtime: Runtime) -> float:
    times = []
    for _ in range(_SINGLE):
        started = time.perf_counter()
        await runtime.ask("echo", PAYLOAD)
        times.append(time.perf_counter() - started)
    return sorted(times)[_SINGLE * 99 // 100] * 1e6


async def _p99_beside_a_flood(runtime: Runtime) -> float:
    async def flood() -> None:
        for _ in range(_FLOOD):
            await runtime.send("slow", PAYLOAD, timeout=None)

    flooding = asyncio.create_task(flood())
    try:
        return await _p99(runtime)
    finally:
        flooding.cancel()
        await asyncio.wait({flooding})
        runtime.drain_timeout = 0.0


async def _start(runtime: Runtime) -> float:
    """What no restart can be quicker than: a Python that has imported the program."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import civitas.worker")
    await process.wait()
    return time.perf_counter() - started


async def _recover(runtime: Runtime) -> float:
    _, pid = (await runtime.ask("counter", None, "count")).payload
    started = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            _, again = (await runtime.ask("counter", None, "count")).payload
        except NodeDown:
            continue  # it was on its way when the process died
        if again != pid:
            return time.perf_counter() - started


ASK = Benchmark(
    "ask over ZMQ, one at a time",
    "µs",
    _beside(links.one_at_a_time, _one_at_a_time),
    at_most(1.25),
)
ASKS = Benchmark(
    "asks over ZMQ, 64 at once",
    "/s",
    _beside(links.at_once, _at_once),
    at_least(0.8),
)
SEND = Benchmark(
    "send over ZMQ, until handled",
    "/s",
    _beside(links.pushed, _sent),
    at_least(0.5),
)
STREAM = Benchmark(
    "chunks of a stream over ZMQ, until read",
    "k/s",
    {"limit": _in_process(_streamed), "civitas": _with_worker(_streamed)},
    Target("≥ 200 k/s", lambda ours, limit, ratio: ours >= 200),
)
ACCEPT = Benchmark(
    "send between workers to an at_least_once agent, one at a time",
    "µs",
    _beside(links.one_at_a_time, _accepted),
    at_most(2.0),
)
ACCEPTS = Benchmark(
    "sends between workers to an at_least_once agent, 64 at once",
    "/s",
    _beside(links.at_once, _accepted_at_once),
    at_least(0.4),
)
NEIGHBOUR = Benchmark(
    "99th percentile of an ask beside a flooded agent",
    "µs",
    {"limit": _with_worker(_p99), "civitas": _with_worker(_p99_beside_a_flood)},
    at_most(3.0),
)
RECOVERY = Benchmark(
    "process killed with -9 until the next answer",
    "s",
    {"limit": _with_worker(_start), "civitas": _with_worker(_recover)},
    at_most(1.0, "s"),
)
