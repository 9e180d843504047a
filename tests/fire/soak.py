"""A mixed load with crashes for long: memory, descriptors, threads and tasks stay as they are."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from civitas import HandlerFailed, Runtime
from tests.fire.harness import CAST, Fire, agent, memory, processes, running, system

_BOUND = 5.0
_MORE = {"MiB": 24, "descriptors": 12, "threads": 6, "tasks": 20}
"""By how much a process may have grown from the middle of the time to its end."""


async def run(fire: Fire) -> None:
    """Everything that a user can do, three at a time."""
    config = system(
        agent("here", "Plain"),
        agent("w1-a", "Plain", "w1"),
        agent("w1-b", "Plain", "w1"),
        agent("w2-a", "Plain", "w2"),
        agent("frail", "Plain", "w2"),
        agent("frail-here", "Plain"),
        {"dynamic_supervisor": {"name": "guests", "max_children": 1000}},
        {"conversation_pool": {"name": "talks", "type": f"{CAST}.Plain", "idle_timeout": 1}},
    )
    done = 0
    async with running(fire, config, {"crashed"}) as runtime:
        middle = asyncio.create_task(_after(fire.seconds / 2, runtime))
        done = sum(await asyncio.gather(*(_work(fire, runtime, n) for n in range(3))))
        before = await middle
        await asyncio.sleep(2.5)  # conversations end, and what is put together is sent
        after = _figures(runtime)
    for name, figures in after.items():
        for what, figure in figures.items():
            if name in before and figure - before[name][what] > _MORE[what]:
                fire.fault(f"{name} grew from {before[name][what]} to {figure} {what}")
    root = after["root"]
    told = ", ".join(f"{figure} {what}" for what, figure in root.items())
    fire.row.accepted = fire.row.handled = done
    fire.row.notes = f"{done:,} operations; the root ended with {told}"


async def _work(fire: Fire, runtime: Runtime, worker: int) -> int:
    done = 0
    while fire.burns:
        name = fire.random.choice(["here", "w1-a", "w1-b", "w2-a"])
        began = time.monotonic()
        match fire.random.randrange(8):
            case 0:
                await runtime.ask(name, "x" * 1000)
            case 1:
                await runtime.send(name, 1)
            case 2:
                await _read(runtime, name)
            case 3:
                await runtime.ask("here", f"guest-{worker}-{done}", "spawn")
            case 4:
                await runtime.ask(name, 1, "timer")
            case 5:
                await runtime.broadcast("w*", 1)
            case 6:
                await runtime.ask("talks", 1, conversation=f"c{done % 50}")
            case _:
                await _crash(fire, runtime)
        fire.told(began, _BOUND)
        done += 1
    return done


async def _read(runtime: Runtime, name: str) -> None:
    async for _chunk in runtime.stream(name, 20, "chunks"):
        pass


async def _crash(fire: Fire, runtime: Runtime) -> None:
    if fire.random.random() < 0.1:
        try:
            await runtime.ask(fire.random.choice(["frail", "frail-here"]), 1, "crash")
        except HandlerFailed:
            return
        fire.fault("a crash was answered")


async def _after(seconds: float, runtime: Runtime) -> dict[str, dict[str, int]]:
    await asyncio.sleep(seconds)
    return _figures(runtime)


def _figures(runtime: Runtime) -> dict[str, dict[str, int]]:
    pids = {"root": os.getpid(), **processes(runtime)}
    found = {}
    for name, pid in pids.items():
        of = Path(f"/proc/{pid}")
        found[name] = {
            "MiB": memory(pid),
            "descriptors": len(list((of / "fd").iterdir())),
            "threads": len(list((of / "task").iterdir())),
        }
    found["root"]["tasks"] = len(asyncio.all_tasks())
    return found
