"""How what a system costs grows with its size, each size in a Python process of its own, drawn as plots.

- `agents`: 1 to 100,000 agents in one process, 100 under a supervisor: start, memory, an ask, a broadcast, stop.
- `children`: a supervisor with 10 to 10,000 children: from the crash of one to its next answer.
- `payloads`: an ask with 100 bytes to 64 MB that are answered, in one process and of another.
- `conversations`: 100 to 100,000 conversations of a plain agent, or a million with `--million`, at most 10,000 awake:
  memory beside that of the first, and an ask to one of the oldest, which sleeps if there are more.
- `processes`: 1 to 8 OS processes that are asked at once: asks a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.agents import Echo, Fragile
from benchmarks.plot import Plot, drawn
from civitas import (
    AgentProcess,
    ConversationPool,
    HandlerFailed,
    Message,
    Runtime,
    SQLiteStateStore,
    Supervisor,
)

__all__ = ["GROWTHS", "Growth", "main"]

_UNDER = 100
_AWAKE, _AT_ONCE, _WOKEN = 10_000, 256, 2_000
_REPEAT = 0.3
"""Seconds for which something short is repeated."""


@dataclass(frozen=True)
class Growth:
    """Something that grows.

    Attributes:
        sizes: What is measured.
        across: What the sizes are.
        measure: Returns figures by name for a size.
        plots: Titles and units of plots, each with the names of its lines.
        further: Sizes that take many minutes.
    """

    sizes: tuple[int, ...]
    across: str
    measure: Callable[[int], Coroutine[Any, Any, dict[str, float]]]
    plots: Mapping[tuple[str, str], tuple[str, ...]]
    further: tuple[int, ...] = ()


async def _each(do: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of it, repeated for a while."""
    await do()
    times, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < _REPEAT or not times:
        await do()
        times += 1
    return spent / times * 1e6


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def _agents(count: int) -> dict[str, float]:
    names = [f"e{number}" for number in range(count)]
    above: list[Any] = [
        Supervisor(f"s{first}", children=[Echo(name) for name in names[first : first + _UNDER]])
        for first in range(0, count, _UNDER)
    ]
    before = _resident()
    runtime = Runtime(Supervisor("root", children=above))
    started = time.perf_counter()
    await runtime.start()
    found = {"start": time.perf_counter() - started, "memory": _resident() - before}
    found["an ask"] = await _each(lambda: runtime.ask(names[-1], 1))
    started = time.perf_counter()
    await runtime.broadcast("e*", 1)
    await runtime.ask(names[-1], 1)
    found["broadcast"] = time.perf_counter() - started
    started = time.perf_counter()
    await runtime.stop()
    found["stop"] = time.perf_counter() - started
    return found


async def _children(count: int) -> dict[str, float]:
    children: list[Any] = [Fragile(f"f{number}") for number in range(count)]
    tree = Supervisor("root", children=children, backoff="NONE", max_restarts=10**6)
    async with Runtime(tree) as runtime:

        async def crash() -> None:
            with suppress(HandlerFailed):
                await runtime.ask("f0", 1, "crash")
            await runtime.ask("f0", 1)

        return {"crash until the next answer": await _each(crash)}


class Rememberer(AgentProcess):
    """Counts its messages."""

    async def handle(self, message: Message) -> Message:
        """Count, and have it in the store when that is over."""
        self.state["count"] = self.state.get("count", 0) + 1
        await self.checkpoint()
        return self.reply(self.state["count"])


async def _conversations(count: int) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        store = SQLiteStateStore(Path(folder) / "conversations.db")
        pool = ConversationPool("pool", Rememberer("each"), idle_timeout=3600, max_live=_AWAKE)
        try:
            async with Runtime(Supervisor("root", children=[pool]), state_store=store) as runtime:

                async def ask(number: int) -> int:
                    reply = await runtime.ask("pool", 1, conversation=f"c{number}", timeout=None)
                    seen: int = reply.payload
                    return seen

                await ask(0)
                before = _resident()
                for first in range(0, count, _AT_ONCE):
                    rest = range(first, min(first + _AT_ONCE, count))
                    await asyncio.gather(*(ask(number) for number in rest))
                memory = _resident() - before
                # The oldest sleep, if there are more than may be awake.
                clock, processor = [], []
                for number in range(1, min(_WOKEN, count)):
                    started, used = time.perf_counter(), time.process_time()
                    assert await ask(number) == 2
                    processor.append(time.process_time() - used)
                    clock.append(time.perf_counter() - started)
        finally:
            await store.close()
    of = {"": sorted(clock), "CPU, ": sorted(processor)}
    return {
        "memory": max(memory, 0.1),
        **{f"{what}median": ordered[len(ordered) // 2] * 1e3 for what, ordered in of.items()},
        **{
            f"{what}99 of 100": ordered[len(ordered) * 99 // 100] * 1e3
            for what, ordered in of.items()
        },
    }


def _far(count: int) -> Any:
    children = [
        {"agent": {"name": f"far{n}", "type": "benchmarks.agents.Echo", "process": f"w{n}"}}
        for n in range(count)
    ]
    return {"name": "growth", "supervision": {"children": children}}


async def _payloads(size: int) -> dict[str, float]:
    payload = bytes(size)
    async with Runtime(Supervisor("root", children=[Echo("near")])) as runtime:
        near = await _each(lambda: runtime.ask("near", payload))
    async with Runtime.from_config(_far(1)) as runtime:
        far = await _each(lambda: runtime.ask("far0", payload, timeout=60))
    return {"in one process": near, "of another": far}


async def _processes(count: int) -> dict[str, float]:
    async with Runtime.from_config(_far(count)) as runtime:
        asked = 0
        until = time.perf_counter() + 1.0

        async def ask(name: str) -> None:
            nonlocal asked
            while time.perf_counter() < until:
                await runtime.ask(name, 1)
                asked += 1

        await asyncio.gather(*(ask(f"far{n % count}") for n in range(64)))
    return {"asks": float(asked)}


GROWTHS = {
    "agents": Growth(
        (1, 10, 100, 1_000, 10_000, 100_000),
        "agents in one process",
        _agents,
        {
            ("Start, broadcast, stop", "s"): ("start", "broadcast", "stop"),
            ("Resident memory", "MB"): ("memory",),
            ("An ask", "µs"): ("an ask",),
        },
    ),
    "children": Growth(
        (10, 100, 1_000, 10_000),
        "children of one supervisor",
        _children,
        {("A crash, until the next answer", "µs"): ("crash until the next answer",)},
    ),
    "payloads": Growth(
        (100, 10_000, 1_000_000, 16_000_000, 64_000_000),
        "bytes in an ask, and in its answer",
        _payloads,
        {("An ask", "µs"): ("in one process", "of another")},
    ),
    "conversations": Growth(
        (100, 1_000, 10_000, 100_000),
        "conversations in the store, 10,000 awake",
        _conversations,
        {
            ("Resident memory", "MB"): ("memory",),
            ("An ask to one of the oldest", "ms"): ("median", "99 of 100", "CPU, 99 of 100"),
        },
        further=(1_000_000,),
    ),
    "processes": Growth(
        (1, 2, 4, 8),
        "OS processes that are asked by one, 64 asks at once",
        _processes,
        {("Asks", "/s"): ("asks",)},
    ),
}


def _measured(name: str, size: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", "--case", name, str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name} {size:,}: {_told(found)}", flush=True)
    return found


def _told(found: Mapping[str, float]) -> str:
    return ", ".join(f"{what} {value:.3g}" for what, value in found.items())


def plotted(growth: Growth, found: Mapping[int, Mapping[str, float]]) -> str:
    """The plots of it, as an SVG."""
    return drawn(
        [
            Plot(
                title,
                growth.across,
                unit,
                {line: {size: figures[line] for size, figures in found.items()} for line in lines},
            )
            for (title, unit), lines in growth.plots.items()
        ]
    )


def main() -> int:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(GROWTHS)}")
    parser.add_argument("--million", action="store_true", help="a million conversations, too")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw them there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the crashes are on purpose
    if arguments.case:
        name, size = arguments.case
        print(json.dumps(asyncio.run(GROWTHS[name].measure(int(size)))))
        return 0
    unknown = [name for name in arguments.names if name not in GROWTHS]
    if unknown:
        parser.error(f"nothing that grows is called {unknown[0]!r}; there are {', '.join(GROWTHS)}")
    all_ = {}
    for name in arguments.names or GROWTHS:
        growth = GROWTHS[name]
        sizes = growth.sizes + (growth.further if arguments.million else ())
        found = all_[name] = {size: _measured(name, size) for size in sizes}
        if arguments.plot:
            (arguments.plot / f"growth-{name}.svg").write_text(plotted(growth, found))
    if arguments.json:
        arguments.json.write_text(json.dumps(all_, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
