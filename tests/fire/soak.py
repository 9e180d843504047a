"""A mixed load with crashes and kills for long: memory, descriptors, threads and tasks stay as they are."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from civitas import CivitasError, HandlerFailed, Runtime
from tests.fire.harness import CAST, Fire, agent, processes, running, system

__all__ = ["Sample", "run"]

Sample = Mapping[str, Mapping[str, float]]
"""By process, how much it holds of each thing."""

_BOUND = 5.0
_SAMPLES = 120
"""So many in the time of the fire, but one a second at most."""
_KILLED = "w3"
"""This process is killed and begins again, so nothing of it is flat."""
_ASIDE = {"MiB": 2.0, "descriptors": 3.0, "threads": 2.0, "tasks": 3.0}
"""What a few requests that are under way make of the difference, and no growth."""
_SHORT = {"MiB": 24.0, "descriptors": 12.0, "threads": 6.0, "tasks": 20.0}
"""The same within some minutes, in which caches fill and pools get their threads."""
_LONG = 1800.0
_FLAT = 0.01


async def run(fire: Fire) -> None:
    """Everything that a user can do, three at a time."""
    config = system(
        agent("here", "Plain"),
        agent("w1-a", "Plain", "w1"),
        agent("w1-b", "Plain", "w1"),
        agent("w2-a", "Plain", "w2"),
        agent("sure", "Plain", "w2", delivery="durable"),
        agent("frail", "Plain", "w2"),
        agent("frail-here", "Plain"),
        agent("killed", "Plain", _KILLED),
        {"dynamic_supervisor": {"name": "guests", "max_children": 1000}},
        {"conversation_pool": {"name": "talks", "type": f"{CAST}.Plain", "idle_timeout": 1}},
        state={"type": "sqlite", "path": str(fire.folder / "state.db")},
    )
    async with running(fire, config, {"crashed", "node_down"}) as runtime:
        sampling = asyncio.create_task(_sampled(fire, runtime))
        done = sum(await asyncio.gather(*(_work(fire, runtime, n) for n in range(3))))
        samples = await sampling
    fire.samples = samples
    allowed = _ASIDE if fire.seconds >= _LONG else _SHORT
    for grown in _growth(samples, allowed):
        fire.fault(grown)
    root = ", ".join(f"{figure:.0f} {what}" for what, figure in samples[-1]["root"].items())
    fire.row.accepted = fire.row.handled = done
    fire.row.notes = f"{done:,} operations; the root ended with {root}"


def _growth(samples: Sequence[Sample], allowed: Mapping[str, float]) -> list[str]:
    """What the last quarter of the time has more of than the second one, as sentences."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    grown = []
    for name, figures in samples[-1].items():
        for what in figures:
            before, after = (median(each[name][what] for each in part) for part in (second, last))
            if after > before * (1 + _FLAT) + allowed[what]:
                grown.append(f"{name} grew from {before:.1f} to {after:.1f} {what}")
    return grown


async def _work(fire: Fire, runtime: Runtime, worker: int) -> int:
    done = 0
    while fire.burns:
        name = fire.random.choice(["here", "w1-a", "w1-b", "w2-a"])
        began = time.monotonic()
        match fire.random.randrange(10):
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
                talk = f"c{fire.random.randrange(2000)}"
                await runtime.ask("talks", 1, "keep", conversation=talk)
            case 7:
                await runtime.ask(name, 1, "keep")
            case 8:
                await runtime.ask("sure", 1, "steps")
            case _:
                await _crash(fire, runtime)
        fire.told(began, _BOUND)
        done += 1
    return done


async def _read(runtime: Runtime, name: str) -> None:
    async for _chunk in runtime.stream(name, 20, "chunks"):
        pass


async def _crash(fire: Fire, runtime: Runtime) -> None:
    chance = fire.random.random()
    if chance < 0.1:
        try:
            await runtime.ask(fire.random.choice(["frail", "frail-here"]), 1, "crash")
        except HandlerFailed:
            return
        fire.fault("a crash was answered")
    elif chance < 0.11:
        pid = processes(runtime).get(_KILLED)
        if pid is not None:
            with suppress(ProcessLookupError):  # another one has killed it
                os.kill(pid, signal.SIGKILL)
        with suppress(CivitasError):  # it is not up yet
            await runtime.ask("killed", 1)


async def _sampled(fire: Fire, runtime: Runtime) -> list[Sample]:
    """What each process held, again and again until the fire is over."""
    samples = []
    while fire.burns:
        await asyncio.sleep(max(1.0, fire.seconds / _SAMPLES))
        samples.append(_figures(runtime))
    return samples


def _figures(runtime: Runtime) -> Sample:
    pids = {"root": os.getpid(), **processes(runtime)}
    pids.pop(_KILLED, None)
    found = {name: _of(pid) for name, pid in pids.items()}
    found["root"]["tasks"] = len(asyncio.all_tasks())
    return found


def _of(pid: int) -> dict[str, float]:
    of = Path(f"/proc/{pid}")
    pages = int((of / "statm").read_text().split()[1])
    return {
        "MiB": pages * resource.getpagesize() / 2**20,
        "descriptors": len(list((of / "fd").iterdir())),
        "threads": len(list((of / "task").iterdir())),
    }
