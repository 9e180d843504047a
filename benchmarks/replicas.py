"""How many messages a second go through a handler that computes 5 ms, with 1 to 8 OS processes behind its name.

`python -m benchmarks.replicas` measures over ZMQ, and with `--nats` over a NATS server that it starts. Processes are
added while the system runs. What counts is how the figure grows as long as there are cores.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import environment
from civitas import AgentProcess, Message, Runtime
from tests.nats_server import NatsServer

_COMPUTES = 0.005
_AT_ONCE = 32
_SECONDS = 4.0


class Computing(AgentProcess):
    """Computes for a while; what other programs take does not count."""

    async def handle(self, message: Message) -> Message:
        """Compute, and say which process did."""
        until = time.thread_time() + _COMPUTES
        while time.thread_time() < until:
            pass
        return self.reply(os.getpid())


async def _throughput(runtime: Runtime) -> tuple[float, int]:
    """Messages a second, and how many processes had some."""
    until = time.perf_counter() + _SECONDS
    pids: list[int] = []

    async def ask() -> None:
        while time.perf_counter() < until:
            pids.append((await runtime.ask("computing", None, timeout=60)).payload)

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    return len(pids) / (time.perf_counter() - began), len(set(pids))


async def _measure(transport: dict[str, Any], counts: list[int]) -> None:
    kind = "benchmarks.replicas:Computing"
    agent = {"name": "computing", "type": kind, "process": "cpu", "replicas": 2}
    config = {"name": "replicas", "transport": transport}
    async with Runtime.from_config(
        {**config, "supervision": {"children": [{"agent": agent}]}}
    ) as runtime:
        print("| processes | messages/s | times the first |\n|---|---|---|")
        first = 0.0
        for count in counts:
            await runtime.scale("computing", count)
            rate, used = await _throughput(runtime)
            assert used == count, f"{used} of {count} processes got messages"
            first = first or rate
            print(f"| {count} | {rate:,.0f} | {rate / first:.2f} |", flush=True)


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__)
    parser.add_argument("--nats", action="store_true", help="over a NATS server, not ZMQ")
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(environment(), file=sys.stderr)
    if not arguments.nats:
        asyncio.run(_measure({"type": "zmq"}, arguments.processes))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder)).start()
        try:
            transport = {"type": "nats", "servers": [server.url]}
            asyncio.run(_measure(transport, arguments.processes))
        finally:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
