"""Over a NATS server: asks beside raw requests, and messages that the server keeps beside raw JetStream."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.bare import asker
from benchmarks.harness import (
    PAYLOAD,
    Benchmark,
    Measurement,
    at_least,
    at_most,
    at_most_beside,
    in_loop,
)
from benchmarks.workers import Counter
from civitas import Message, Runtime
from tests.nats_server import NatsServer

__all__ = ["ASK", "ASKS", "HANDLED", "READ", "RECOVERY", "STORED", "Dying"]

_SINGLE, _GROUP, _EACH = 1000, 64, 100
_KEPT, _IN_FLIGHT = 20_000, 256
_RAW = bytes(150)


class Dying(Counter):
    """Kills its process, but answers in the next one."""

    async def handle(self, message: Message) -> Message | None:
        """Die with the first delivery in hand."""
        if message.type != "die":
            return await super().handle(message)
        if not message.attempt:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.reply(message.attempt)


@asynccontextmanager
async def _server() -> AsyncIterator[NatsServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(
            Path(folder), f"jetstream {{store_dir: {json.dumps(f'{folder}/js')}}}"
        ).start()
        try:
            yield server
        finally:
            server.close()


def _with_runtime(measure: Callable[[Runtime], Awaitable[float]]) -> Measurement:
    async def once() -> float:
        worker = {"process": "worker"}
        sure = {"delivery": "at_least_once", "mailbox_size": 100_000, **worker}
        agents = [
            {"name": "echo", "type": "benchmarks.agents.Echo", **worker},
            {"name": "sure", "type": "benchmarks.broker.Dying", **sure},
        ]
        async with _server() as server:
            config = {
                "transport": {"type": "nats", "servers": [server.url]},
                "supervision": {"children": [{"agent": each} for each in agents]},
            }
            async with Runtime.from_config(config) as runtime:
                await runtime.ask("echo", PAYLOAD)
                await runtime.ask("sure", None, "count")
                return await measure(runtime)

    return in_loop(once)


def _with_client(measure: Callable[[Any], Awaitable[float]]) -> Measurement:
    async def once() -> float:
        import nats

        async with _server() as server:
            client = await nats.connect(server.url)
            try:
                return await measure(client)
            finally:
                await client.close()

    return in_loop(once)


# Asks, to an agent whose messages nobody keeps.


@asynccontextmanager
async def _another(client: Any, what: str) -> AsyncIterator[None]:
    """Another process with nats-py, which does what `_OTHERS` says."""
    command = [sys.executable, "-m", "benchmarks.broker", client.connected_url.netloc, what]
    other = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert other.stdout is not None
        await other.stdout.readline()
        yield
    finally:
        other.kill()
        await other.wait()


async def _echo(client: Any) -> None:
    """Answer with what came."""

    async def back(message: Any) -> None:
        await client.publish(message.reply, message.data)

    await client.subscribe("echo", cb=back)
    await client.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _read(client: Any) -> None:
    """Fetch what is kept, and acknowledge it."""
    import nats

    reader = await client.jetstream().pull_subscribe("raw.a", "reader")
    print("ready", flush=True)
    while True:
        with suppress(nats.errors.TimeoutError):
            for message in await reader.fetch(100):
                await message.ack()


_OTHERS = {"echo": _echo, "read": _read}


async def _be(where: str, what: str) -> None:
    import nats

    await _OTHERS[what](await nats.connect(f"nats://{where}"))


async def _one_at_a_time(ask: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    for _ in range(_SINGLE):
        await ask()
    return (time.perf_counter() - started) / _SINGLE * 1e6


async def _at_once(ask: Callable[[], Awaitable[object]]) -> float:
    async def some() -> None:
        for _ in range(_EACH):
            await ask()

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(_GROUP)))
    return _GROUP * _EACH / (time.perf_counter() - started)


def _asks(
    measure: Callable[[Callable[[], Awaitable[object]]], Awaitable[float]],
) -> dict[str, Measurement]:
    async def raw(client: Any) -> float:
        async with _another(client, "echo"):
            return await measure(lambda: client.request("echo", _RAW, 5))

    return {
        "limit": _with_client(raw),
        "civitas": _with_runtime(lambda runtime: measure(lambda: runtime.ask("echo", PAYLOAD))),
    }


async def _bare() -> float:
    async with _server() as server, asker(server.url.removeprefix("nats://")) as bare:
        return await _at_once(lambda: bare.ask(PAYLOAD))


# Messages that the server keeps.


async def _stream(client: Any) -> Any:
    jetstream = client.jetstream(publish_async_max_pending=_IN_FLIGHT)
    await jetstream.add_stream(name="raw", subjects=["raw.>"], retention="workqueue")
    return jetstream


async def _store_raw(client: Any) -> float:
    return await _publish(await _stream(client))


async def _store_raw_read(client: Any) -> float:
    """As `_store_raw`, while another process fetches and acknowledges."""
    jetstream = await _stream(client)
    async with _another(client, "read"):
        return await _publish(jetstream)


async def _publish(jetstream: Any) -> float:
    started = time.perf_counter()
    for _ in range(_KEPT):
        await jetstream.publish_async("raw.a", _RAW)
    await jetstream.publish_async_completed()
    return _KEPT / (time.perf_counter() - started)


async def _take_raw(client: Any) -> float:
    jetstream = await _stream(client)
    for _ in range(_KEPT):
        await jetstream.publish_async("raw.a", _RAW)
    await jetstream.publish_async_completed()
    reader = await jetstream.pull_subscribe("raw.a", "reader")
    started, left = time.perf_counter(), _KEPT
    while left:
        for message in await reader.fetch(100):
            await message.ack()
            left -= 1
    return _KEPT / (time.perf_counter() - started)


async def _sent(runtime: Runtime) -> float:
    async def some() -> None:
        for _ in range(_KEPT // _IN_FLIGHT):
            await runtime.send("sure", PAYLOAD)

    started = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(_IN_FLIGHT)))
    return _KEPT // _IN_FLIGHT * _IN_FLIGHT / (time.perf_counter() - started)


async def _store(runtime: Runtime) -> float:
    a_second = await _sent(runtime)
    await runtime.ask("sure", None, "count", timeout=60)
    return a_second


async def _store_unread(runtime: Runtime) -> float:
    """As `_store`, while the agent is paused: then its process takes none of the two processors either."""
    await runtime.pause("sure")
    a_second = await _sent(runtime)
    await runtime.resume("sure")
    await runtime.ask("sure", None, "count", timeout=60)
    return a_second


async def _handle(runtime: Runtime) -> float:
    started = time.perf_counter()
    await _store(runtime)
    count, _ = (await runtime.ask("sure", None, "count", timeout=60)).payload
    assert count == _KEPT // _IN_FLIGHT * _IN_FLIGHT, f"{count} were handled"
    return float(count) / (time.perf_counter() - started)


async def _recover(runtime: Runtime) -> float:
    started = time.perf_counter()
    assert (await runtime.ask("sure", None, "die")).payload == 1
    return time.perf_counter() - started


async def _start(_: Any) -> float:
    """What no restart can be quicker than: a Python that has imported the program and the agents."""
    started = time.perf_counter()
    code = "import civitas.worker, benchmarks.broker"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await process.wait()
    return time.perf_counter() - started


ASK = Benchmark("ask over NATS, one at a time", "µs", _asks(_one_at_a_time), at_most(1.3))
ASKS = Benchmark(
    "asks over NATS, 64 at once",
    "/s",
    {**_asks(_at_once), "a bare program": in_loop(_bare)},
    at_least(2.0),
)
STORED = Benchmark(
    "sends that a NATS server keeps, 256 in flight, with nobody who reads",
    "/s",
    {
        "limit": _with_client(_store_raw),
        "civitas, handled meanwhile": _with_runtime(_store),
        "civitas": _with_runtime(_store_unread),
    },
    at_least(0.8),
)
READ = Benchmark(
    "sends that a NATS server keeps, 256 in flight, read meanwhile",
    "/s",
    {"limit": _with_client(_store_raw_read), "civitas": _with_runtime(_store)},
    at_least(0.8),
)
HANDLED = Benchmark(
    "sends that a NATS server keeps, until handled and acknowledged",
    "/s",
    {"limit": _with_client(_take_raw), "civitas": _with_runtime(_handle)},
    at_least(0.6),
)
RECOVERY = Benchmark(
    "answer by the next process after a kill -9, over NATS",
    "s",
    {"limit": _with_client(_start), "civitas": _with_runtime(_recover)},
    at_most_beside(1.0, "s"),
)

if __name__ == "__main__":
    asyncio.run(_be(sys.argv[1], sys.argv[2]))
