"""How many messages a second go through a handler that computes 5 ms, with 1 to 8 OS processes behind its name.

`python -m benchmarks.replicas` measures over ZMQ, and with `--nats` over a NATS server that it starts. Processes are
added while the system runs. Beside it as many processes of `multiprocessing` compute the same, which shows what the
cores can do, and how many of them other programs leave. `--relayed` has an agent of another process ask, by way of the
root. The last columns are what a message takes of the processor beside those 5 ms: at the root, and of all processes.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.report import environment
from benchmarks.shares import used
from civitas import AgentProcess, Message, Runtime
from tests.nats_server import NatsServer

_AT_ONCE = 32
_SECONDS, _ROUNDS = 2.0, 3
_COLUMNS = (
    "processes",
    "multiprocessing /s",
    "Civitas /s",
    "ratio",
    "times the first",
    "ms at the root",
    "ms beside it",
)


def _compute(seconds: float) -> int:
    """Compute for so long; what other programs take does not count."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return os.getpid()


class Computing(AgentProcess):
    """Computes."""

    async def handle(self, message: Message) -> Message:
        """Compute, and say which process did."""
        return self.reply(_compute(message.payload))


class Asker(AgentProcess):
    """Asks as often as it can for a while, and says who answered."""

    async def handle(self, message: Message) -> Message:
        """Ask."""
        return self.reply(await _asked(self, *message.payload))


async def _many(ask: Callable[[], Awaitable[int]], seconds: float) -> list[int]:
    """Who answered, of all that was asked in so many seconds."""
    until = time.perf_counter() + seconds
    pids: list[int] = []

    async def some() -> None:
        while time.perf_counter() < until:
            pids.append(await ask())

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return pids


async def _asked(asker: Runtime | AgentProcess, seconds: float, computes: float) -> list[int]:
    async def ask() -> int:
        answer = await asker.ask("computing", computes, timeout=60)
        return int(answer.payload)

    return await _many(ask, seconds)


@asynccontextmanager
async def _pool(processes: int, computes: float) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """So many processes of `multiprocessing`, all of them there; yields what has one of them compute."""
    loop, fresh = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, fresh) as pool:

        async def compute() -> int:
            return await loop.run_in_executor(pool, _compute, computes)

        while len(set(await _many(compute, 0.2))) < processes:
            pass
        yield compute


async def _measure(
    transport: dict[str, Any], counts: list[int], computes: float, *, relayed: bool
) -> None:
    kind = "benchmarks.replicas:Computing"
    agent = {"name": "computing", "type": kind, "process": "cpu", "replicas": 2}
    asker = {"name": "asker", "type": "benchmarks.replicas:Asker", "process": "other"}
    config = {"name": "replicas", "transport": transport}
    children = [{"agent": agent}, {"agent": asker}]
    async with Runtime.from_config({**config, "supervision": {"children": children}}) as runtime:

        async def asked(seconds: float) -> list[int]:
            if not relayed:
                return await _asked(runtime, seconds, computes)
            pids: list[int] = (await runtime.ask("asker", [seconds, computes], timeout=60)).payload
            return pids

        print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}")
        first = 0.0
        for count in counts:
            await runtime.scale("computing", count)
            spent = dict.fromkeys(("bare", "ours", "root", "all"), 0.0)
            bare, pids = 0, list[int]()
            async with _pool(count, computes) as compute:
                for _ in range(_ROUNDS):
                    began = time.perf_counter()
                    bare += len(await _many(compute, _SECONDS))
                    spent["bare"] += time.perf_counter() - began
                    before, began = used(), time.perf_counter()
                    pids += await asked(_SECONDS)
                    spent["ours"] += time.perf_counter() - began
                    took = {who: now - before[who] for who, now in used().items()}
                    spent["root"] += took["sender"]
                    spent["all"] += sum(took.values())
            assert len(set(pids)) == count, f"{len(set(pids))} of {count} processes got messages"
            limit, rate = bare / spent["bare"], len(pids) / spent["ours"]
            first = first or rate
            root, beside = spent["root"] / len(pids), spent["all"] / len(pids) - computes
            figures = f"{limit:,.0f} | {rate:,.0f} | {rate / limit:.2f} | {rate / first:.2f}"
            print(f"| {count} | {figures} | {root * 1e3:.2f} | {beside * 1e3:.2f} |", flush=True)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__)
    parser.add_argument("--nats", action="store_true", help="over a NATS server, not ZMQ")
    parser.add_argument("--relayed", action="store_true", help="an agent of another process asks")
    parser.add_argument("--computes", type=float, default=5.0, metavar="MS", help="default: 5")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # an agent that computes blocks its loop, and that is said
    print(environment(), file=sys.stderr)
    measure = partial(
        _measure,
        counts=arguments.processes,
        computes=arguments.computes / 1000,
        relayed=arguments.relayed,
    )
    if not arguments.nats:
        asyncio.run(measure({"type": "zmq"}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder)).start()
        try:
            transport = {"type": "nats", "servers": [server.url]}
            asyncio.run(measure(transport))
        finally:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
