"""Where the time of one ask, send, durable step, and ask over ZMQ and over NATS goes: writes docs/performance.md.

Each is timed without a profiler first, an ask and a send in one process in processor time. Then a profiler says which
share of the time each room of the code has, and the shares divide the first figure.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import logging
import pstats
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import civitas
from benchmarks.agents import Echo, Saver, Sink
from benchmarks.harness import PAYLOAD
from benchmarks.report import environment
from civitas import Runtime, SQLiteStateStore, Supervisor
from tests.nats_server import NatsServer

__all__ = ["main"]

BEGIN, END = "<!-- measured by python -m benchmarks.where -->", "<!-- until here -->"

_OURS = f"{Path(civitas.__file__).parent}/"
_PAGE = Path("docs/performance.md")
_WAITS = ("select.epoll", "select.kqueue", "'acquire' of '_thread.lock'")
_LEAST = 0.01
"""Shares below it are not shown one by one."""

_OTHERS, _REST = "waiting for others: the disk, the other process, the server", "the rest"
_ALONE = ("ask", "send")
_SHOWN = 5

Batch = Callable[[int], Awaitable[None]]
"""Does so many of a thing."""


@asynccontextmanager
async def _ask() -> AsyncIterator[Batch]:
    async with Runtime(Supervisor("root", children=[Echo("e")])) as runtime:
        yield _asking(runtime)


def _asking(runtime: Runtime) -> Batch:
    async def batch(size: int) -> None:
        for _ in range(size):
            await runtime.ask("e", PAYLOAD)

    return batch


@asynccontextmanager
async def _send() -> AsyncIterator[Batch]:
    done = asyncio.Event()
    sink = Sink("sink", 0, done)
    async with Runtime(Supervisor("root", children=[sink])) as runtime:

        async def batch(size: int) -> None:
            done.clear()
            sink.left = size
            for _ in range(size):
                await runtime.send("sink", PAYLOAD)
            await done.wait()

        yield batch


@asynccontextmanager
async def _step() -> AsyncIterator[Batch]:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStateStore(Path(folder) / "steps.db")
        saver = Saver("s", delivery="durable")
        try:
            async with Runtime(Supervisor("root", children=[saver]), state_store=store) as runtime:

                async def batch(size: int) -> None:
                    await runtime.ask("s", size, "steps", timeout=None)

                yield batch
        finally:
            await store.close()


def _config(**more: Any) -> dict[str, Any]:
    agent = {"name": "e", "type": "benchmarks.agents.Echo", "process": "worker"}
    return {"name": "where", "supervision": {"children": [{"agent": agent}]}, **more}


@asynccontextmanager
async def _zmq() -> AsyncIterator[Batch]:
    async with Runtime.from_config(_config()) as runtime:
        yield _asking(runtime)


@asynccontextmanager
async def _nats() -> AsyncIterator[Batch]:
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(Path(folder)).start()
        try:
            transport = {"type": "nats", "servers": [server.url]}
            async with Runtime.from_config(_config(transport=transport)) as runtime:
                yield _asking(runtime)
        finally:
            server.close()


Open = Callable[[], AbstractAsyncContextManager[Batch]]

WHAT: dict[str, tuple[str, int, Open]] = {
    "ask": ("One ask in one process", 5_000, _ask),
    "send": ("One send in one process, until handled", 20_000, _send),
    "step": ("One durable step", 300, _step),
    "zmq": ("One ask over ZMQ, at the process that asks", 1_000, _zmq),
    "nats": ("One ask over NATS, at the process that asks", 1_000, _nats),
}


def _room(file: str, function: str) -> str:
    """Whose time it is."""
    if any(wait in function for wait in _WAITS):
        return _OTHERS
    if "msgpack" in function or "msgpack" in file:
        return "MessagePack"
    if file.startswith(_OURS):
        return f"`civitas.{file.removeprefix(_OURS).partition('/')[0].removesuffix('.py')}`"
    if "asyncio" in file:
        return "asyncio"
    if "/zmq/" in file:
        return "pyzmq"
    if "/nats/" in file:
        return "nats-py"
    if "benchmarks" in file:
        return "the agent, and the loop that asks"
    return _REST


def _shares(profile: cProfile.Profile) -> dict[str, Counter[str]]:
    """Seconds of each function in each room; what is built in counts for the function that called it."""
    seconds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    stats: Any = pstats.Stats(profile)
    for (file, _line, function), (_calls, _all, own, _with, callers) in stats.stats.items():
        if file == "~" and callers and _room(file, function) == "the rest":
            for (caller, _at, name), (_calls, _all, of_caller, _with) in callers.items():
                seconds[_room(caller, name)][name] += of_caller
        else:
            seconds[_room(file, function)][function] += own
    return seconds


async def _measure(name: str) -> tuple[float, dict[str, Counter[str]]]:
    """Seconds of one, and those of each function in each room of it."""
    _, size, opened = WHAT[name]
    clock = time.process_time if name in _ALONE else time.perf_counter
    async with opened() as batch:
        await batch(size // 10)
        times = []
        for _ in range(5):
            started = clock()
            await batch(size)
            times.append((clock() - started) / size)
        profile = cProfile.Profile()
        profile.enable()
        await batch(size)
        profile.disable()
    one = min(times)
    shares = _shares(profile)
    whole = sum(each.total() for each in shares.values())
    return one, {
        room: Counter({function: one * own / whole for function, own in functions.items()})
        for room, functions in shares.items()
    }


def _table(title: str, one: float, rooms: dict[str, Counter[str]]) -> str:
    lines = [f"## {title}", "", "| where | µs | share | most of it |", "|---|---|---|---|"]
    small = 0.0
    for room, functions in sorted(rooms.items(), key=lambda each: -each[1].total()):
        seconds = functions.total()
        if seconds < _LEAST * one:
            small += seconds
            continue
        most = "" if room in (_OTHERS, _REST) else _most(functions)
        lines.append(f"| {room} | {seconds * 1e6:,.2f} | {seconds / one:.0%} | {most} |")
    lines.append(f"| less than {_LEAST:.0%} each | {small * 1e6:,.2f} | {small / one:.0%} | |")
    lines.append(f"| **all of it** | **{one * 1e6:,.1f}** | | |")
    return "\n".join([*lines, ""])


def _most(functions: Counter[str]) -> str:
    named = [(name, own) for name, own in functions.most_common(_SHOWN) if not name.startswith("<")]
    return ", ".join(f"`{name}` {own * 1e6:,.2f}" for name, own in named)


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(WHAT)}; prints them only")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    tables = [
        _table(WHAT[name][0], *asyncio.run(_measure(name))) for name in arguments.names or WHAT
    ]
    if arguments.names:
        print("\n".join(tables))
        return 0
    before, _, rest = _PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    said = fill(f"On {environment()}; the lowest of five runs, and the shares of one.", 127)
    text = "\n".join([said, "", *tables])
    _PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    print(f"where: {_PAGE} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
