"""How many messages a second go through a handler that computes 5 ms, with 1 to 8 OS processes behind its name.

`python -m benchmarks.replicas` measures over ZMQ, and with `--nats` over a NATS server that it starts. Processes are
added while the system runs. In turn with it as many processes of `multiprocessing` compute the same and nothing else,
which shows what the cores can do, and how much of them other programs leave. `--relayed` has an agent of another
process ask, by way of the root. The last columns are what a message takes of the processor beside those 5 ms: at the
root, and of all processes.
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
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
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


async def _asked(asker: Runtime | AgentProcess, seconds: float, computes: float) -> list[int]:
    """Who answered, of all that was asked in so many seconds."""
    until = time.perf_counter() + seconds
    pids: list[int] = []

    async def some() -> None:
        while time.perf_counter() < until:
            answer = await asker.ask("computing", computes, timeout=60)
            pids.append(answer.payload)

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    return pids


def _alone(pipe: Connection) -> None:
    """Compute again and again for as long as `pipe` says, and say how often."""
    os.setsid()  # as processes of Civitas: Linux may give each session the same share of a core
    while True:
        seconds, computes = pipe.recv()
        count, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            _compute(computes)
            count += 1
        pipe.send(count)


@contextmanager
def _bare(processes: int) -> Iterator[list[Connection]]:
    """So many processes of `multiprocessing`, which are there; yields the ways to them."""
    fresh = multiprocessing.get_context("spawn")
    pipes = [fresh.Pipe() for _ in range(processes)]
    started = [fresh.Process(target=_alone, args=(there,), daemon=True) for _, there in pipes]
    for each in started:
        each.start()
    try:
        _computed([here for here, _ in pipes], 0.0, 0.0)
        yield [here for here, _ in pipes]
    finally:
        for each in started:
            each.kill()
            each.join()


def _computed(pipes: list[Connection], seconds: float, computes: float) -> int:
    """How often they computed, all together."""
    for each in pipes:
        each.send((seconds, computes))
    return sum(each.recv() for each in pipes)


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
            with _bare(count) as pipes:
                for _ in range(_ROUNDS):
                    began = time.perf_counter()
                    bare += await asyncio.to_thread(_computed, pipes, _SECONDS, computes)
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
