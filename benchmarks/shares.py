"""What a message over NATS takes of the processor, in each process apart: who sends, who receives, and the server.

`python -m benchmarks.shares` measures raw nats-py and Civitas, and prints the lowest of the rounds, as other programs
on the machine use its caches, too.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks import broker
from benchmarks.bare import asker
from benchmarks.harness import PAYLOAD
from benchmarks.report import environment
from civitas import Runtime

__all__ = ["used"]

Work = Callable[[], Awaitable[object]]

_TICKS = os.sysconf("SC_CLK_TCK")
_AT_ONCE, _IN_FLIGHT = 64, 256


def used() -> dict[str, float]:
    """Seconds of the processor, of this process and those that it started."""
    used = dict.fromkeys(("sender", "receiver", "server"), 0.0)
    threads = Path("/proc/self/task").iterdir()
    children = [pid for each in threads for pid in (each / "children").read_text().split()]
    for pid in (str(os.getpid()), *children):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_text()
        who = "sender" if pid == str(os.getpid()) else "receiver"
        used["server" if "nats-server" in command else who] += sum(map(int, fields[11:13])) / _TICKS
    return used


async def _measure(title: str, work: Work, count: int, rounds: int) -> None:
    await work()
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        before = used()
        await work()
        found.append({who: (now - before[who]) / count for who, now in used().items()})
    least = min(found, key=lambda each: sum(each.values()))
    figures = " | ".join(f"{each * 1e6:.0f}" for each in (*least.values(), sum(least.values())))
    print(f"| {title} | {figures} |", flush=True)


def _many(ask: Work, at_once: int, count: int) -> Work:
    async def some() -> None:
        for _ in range(count // at_once):
            await ask()

    async def all_of_them() -> None:
        await asyncio.gather(*(some() for _ in range(at_once)))

    return all_of_them


async def _raw(count: int, rounds: int) -> None:
    import nats

    async with broker._server() as server:
        client = await nats.connect(server.url)
        async with broker._another(client, "echo"):
            ask = lambda: client.request("echo", broker._RAW, 60)  # noqa: E731
            await _measure("nats-py: request, alone", _many(ask, 1, count // 8), count // 8, rounds)
            await _measure("nats-py: request, 64 at once", _many(ask, 64, count), count, rounds)
        async with asker(server.url.removeprefix("nats://")) as bare:
            ask = lambda: bare.ask(PAYLOAD)  # noqa: E731
            await _measure("a bare program: ask, 64 at once", _many(ask, 64, count), count, rounds)
        jetstream = await broker._stream(client)

        async def store() -> None:
            for _ in range(count):
                await jetstream.publish_async("raw.a", broker._RAW)
            await jetstream.publish_async_completed()

        await _measure("nats-py: publish_async, 256 in flight", store, count, rounds)
        reader = await jetstream.pull_subscribe("raw.a", "reader")

        async def take() -> None:
            left = count
            while left:
                for message in await reader.fetch(min(100, left)):
                    await message.ack()
                    left -= 1

        await _measure("nats-py: fetch(100) and ack", take, count, rounds)
        await client.close()


@asynccontextmanager
async def _system() -> AsyncIterator[Runtime]:
    worker = {"process": "worker"}
    sure = {"delivery": "at_least_once", "mailbox_size": 1_000_000, **worker}
    agents = [
        {"name": "echo", "type": "benchmarks.agents.Echo", **worker},
        {"name": "sure", "type": "benchmarks.broker.Dying", **sure},
    ]
    async with broker._server() as server:
        config: dict[str, Any] = {
            "transport": {"type": "nats", "servers": [server.url]},
            "supervision": {"children": [{"agent": each} for each in agents]},
        }
        async with Runtime.from_config(config) as runtime:
            yield runtime


async def _ours(count: int, rounds: int) -> None:
    async with _system() as runtime:
        ask = lambda: runtime.ask("echo", PAYLOAD, timeout=60)  # noqa: E731
        await _measure("ask, alone", _many(ask, 1, count // 8), count // 8, rounds)
        await _measure("ask, 64 at once", _many(ask, _AT_ONCE, count), count, rounds)
        send = _many(lambda: runtime.send("sure", PAYLOAD), _IN_FLIGHT, count)

        async def handled() -> None:
            await send()
            await runtime.ask("sure", None, "count", timeout=60)

        title = "send that is kept, handled and acknowledged"
        await _measure(title, handled, count // _IN_FLIGHT * _IN_FLIGHT, rounds)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares", description=__doc__)
    parser.add_argument("--messages", type=int, default=25_600, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(environment(), file=sys.stderr)
    print("| µs of the processor | sender | receiver | server | all |\n|---|---|---|---|---|")
    asyncio.run(_raw(arguments.messages, arguments.rounds))
    asyncio.run(_ours(arguments.messages, arguments.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
