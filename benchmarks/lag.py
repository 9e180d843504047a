"""How long the event loop stands while very many things happen at once.

Each case runs in a Python process of its own, so that what the collector has to look at is its own. What is measured is
processor time: other programs on the machine do not show.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

from civitas import (
    AgentProcess,
    AskTimeout,
    DynamicSupervisor,
    Message,
    Runtime,
    Supervisor,
)
from civitas.launch import short_pauses

MANY = 10_000
ASKS = 20_000


class Many(AgentProcess):
    """One of very many."""

    async def handle(self, message: Message) -> Message | None:
        """Do what the type of the message says."""
        match message.type:
            case "crash":
                raise ValueError("as told")
            case "wait":
                await asyncio.Event().wait()
            case "watch":
                for n in range(message.payload):
                    await self.monitor(f"a{n}")
            case "large":
                return self.reply(bytes(message.payload))
            case "civitas.down":
                return None
            case "measure":
                self._watch = Watch()
            case "measured":
                self._watch.close()
                return self.reply([self._watch.longest, self._watch.pause])
        return self.reply(None)


class Watch:
    """Measures every turn of the running loop, and every pause of the collector, in milliseconds."""

    def __init__(self) -> None:
        self.longest = self.pause = 0.0
        self._loop = asyncio.get_running_loop()
        self._last = time.thread_time()
        self._over = False
        self._began = 0.0
        gc.callbacks.append(self._collects)
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, (now - self._last) * 1000)
        self._last = now
        if not self._over:
            self._loop.call_soon(self._turn)

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self.pause = max(self.pause, (time.thread_time() - self._began) * 1000)

    def close(self) -> None:
        """Measure no more."""
        self._over = True
        gc.callbacks.remove(self._collects)


class Table:
    """Steps of a case, and what each of them took at most."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[float, float]] = {}

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Measure what is done meanwhile."""
        watch = Watch()
        await asyncio.sleep(0)
        try:
            yield
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            watch.close()
            self.rows[name] = (watch.longest, watch.pause)


def tree(count: int = MANY) -> Supervisor:
    """A supervisor of that many, which never gives up."""
    options: dict[str, Any] = {
        "mailbox_size": ASKS + 1,
        "cancel_on_timeout": True,
        "shutdown_timeout": 0,
    }
    children = [Many(f"a{n}", **options) for n in range(count)]
    return Supervisor("root", children=children, backoff="NONE", max_restarts=10**6)


async def agents(table: Table) -> None:
    """Started, shown, broadcast to, stopped."""
    runtime = Runtime(tree(), drain_timeout=0.1)
    async with table.step("10,000 agents started"):
        await runtime.start()
    async with table.step("tree() of 10,000"):
        runtime.tree()
    async with table.step("broadcast to 10,000"):
        await runtime.broadcast("a*", None, "fine")
    for _ in range(2):
        await runtime.broadcast("a*", None, "wait")
    async with table.step("10,000 stopped, each with a message in hand and one waiting"):
        await runtime.stop()


async def crashes(table: Table) -> None:
    """All at once, three times."""
    async with Runtime(tree()) as runtime:
        for again in range(3):
            async with table.step(f"10,000 crash together, time {again + 1}"):
                await _crash(runtime)


async def monitors(table: Table) -> None:
    """One agent watches all others."""
    async with Runtime(tree()) as runtime:
        async with table.step("10,000 monitors made"):
            await runtime.ask("a0", MANY, "watch", timeout=None)
        async with table.step("10,000 monitors fire"):
            await _crash(runtime)


async def _crash(runtime: Runtime) -> None:
    back = asyncio.Event()
    left = MANY

    def count(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            back.set()

    forget = runtime.on("restarted", count)
    await runtime.broadcast("a*", None, "crash")
    await back.wait()
    forget()


async def stops(table: Table) -> None:
    """A supervisor stops its children, and one gives up."""
    inner = Supervisor("inner", children=tree().children, max_restarts=0)
    runtime = Runtime(Supervisor("root", children=[inner], backoff="NONE"))
    await runtime.start()
    async with table.step("a supervisor of 10,000 gives up and is started again"):
        restarted = asyncio.Event()
        runtime.on("restarted", lambda event: restarted.set())
        await runtime.send("a5", None, "crash")
        await restarted.wait()
    async with table.step("10,000 stopped"):
        await runtime.stop()


async def dynamic(table: Table) -> None:
    """Children of a dynamic supervisor."""
    runtime = Runtime(Supervisor("root", children=[DynamicSupervisor("d")]))
    await runtime.start()
    children = [Many(f"a{n}") for n in range(MANY)]
    async with table.step("10,000 start_child at once"):
        await asyncio.gather(*(runtime.start_child("d", each) for each in children))
    async with table.step("10,000 terminate_child at once"):
        await asyncio.gather(*(runtime.terminate_child("d", f"a{n}") for n in range(MANY)))
    await runtime.stop()


async def asks(table: Table) -> None:
    """Waiting asks: cancelled in reverse order; timed out."""
    async with Runtime(tree(1), drain_timeout=0.1) as runtime:
        await _asks(table, runtime, "here")


async def asks_elsewhere(table: Table) -> None:
    """The same, of a worker."""
    async with Runtime.from_config(_worker()) as runtime:
        await _asks(table, runtime, "of a worker")


async def _asks(table: Table, runtime: Runtime, where: str) -> None:
    await runtime.send("a0", None, "wait")
    late: list[float] = []

    async def ask(timeout: float | None) -> None:
        began = time.monotonic()
        with suppress(AskTimeout):
            await runtime.ask("a0", None, "fine", timeout=timeout)
        late.append(time.monotonic() - began)

    async def made(timeout: float | None) -> list[asyncio.Task[None]]:
        waiting = []
        for n in range(ASKS):
            waiting.append(asyncio.create_task(ask(timeout)))
            if not n % 500:
                await asyncio.sleep(0)
        return waiting

    async with table.step(f"20,000 asks {where} made"):
        waiting = await made(None)
        await asyncio.sleep(1)
    async with table.step(f"20,000 asks {where} cancelled in one turn, in reverse order"):
        for each in reversed(waiting):
            each.cancel()
        await asyncio.wait(waiting)
    late.clear()
    async with table.step(f"20,000 asks {where} made, until their time is up"):
        await asyncio.wait(await made(2))
    table.rows[f"the last of them was told after its time, {where}"] = (max(late) - 2) * 1000, 0


async def large(table: Table) -> None:
    """Replies of 64 MiB, there and back; what the worker's loop stands, too."""
    size = 64 * 2**20 - 1024
    content = bytes(range(256)) * (size // 256)
    async with Runtime.from_config(_worker()) as runtime:
        await runtime.ask("a0", None, "measure")
        async with table.step("20 replies of 64 MiB at once, at the asker"):
            replies = (runtime.ask("a0", size, "large", timeout=None) for _ in range(20))
            kept = await asyncio.gather(*replies)
        del kept  # to give back a gigabyte takes a tenth of a second, and is not measured
        table.rows["the same, at the worker"] = await _measured(runtime)
        await runtime.ask("a0", None, "measure")
        async with table.step("20 asks with 64 MiB, one after another, at the asker"):
            for _ in range(20):
                await runtime.ask("a0", content, "fine", timeout=None)
        table.rows["the same asks, at the worker"] = await _measured(runtime)


async def _measured(runtime: Runtime) -> tuple[float, float]:
    longest, pause = (await runtime.ask("a0", None, "measured")).payload
    return longest, pause


async def dead(table: Table) -> None:
    """A mailbox of very many goes with its agent."""
    async with Runtime(tree(1)) as runtime:
        seen = 0

        def count(_: object) -> None:
            nonlocal seen
            seen += 1

        runtime.on("dead_letter", count)
        await runtime.send("a0", None, "pause")
        for _ in range(MANY):
            await runtime.send("a0", None, "fine")
        await runtime.send("a0", None, "crash")
        for _ in range(MANY):
            await runtime.send("a0", None, "fine")
        async with table.step("10,000 dead letters of a crash"):
            while seen < MANY:
                await asyncio.sleep(0.01)


def _worker() -> dict[str, Any]:
    entry = {"name": "a0", "type": "benchmarks.lag.Many", "process": "w", "mailbox_size": ASKS + 1}
    entry["cancel_on_timeout"] = True
    root = {"name": "root", "children": [{"agent": entry}]}
    return {"supervision": root, "runtime": {"drain_timeout": 0.1}}


CASES: dict[str, Callable[[Table], Awaitable[None]]] = {
    "agents": agents,
    "crashes": crashes,
    "monitors": monitors,
    "stops": stops,
    "dynamic": dynamic,
    "asks": asks,
    "asks-elsewhere": asks_elsewhere,
    "large": large,
    "dead": dead,
}


def main() -> None:
    """Run the cases that are named, or all; print a table."""
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["--here"]:
        table = Table()
        with nullcontext() if "--plain" in sys.argv else short_pauses():
            asyncio.run(CASES[sys.argv[2]](table))  # type: ignore[arg-type]
        print(json.dumps(table.rows))
        return
    names = [name for name in sys.argv[1:] if name in CASES]
    for name in names or CASES:
        command = [sys.executable, "-m", "benchmarks.lag", "--here", name, *sys.argv[1:]]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        for what, (turn, pause) in json.loads(done.stdout.splitlines()[-1]).items():
            print(f"| {what} | {turn:,.0f} ms | {pause:,.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
