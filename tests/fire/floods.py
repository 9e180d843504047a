"""Floods of introductions, of lines in the log, of messages for a slow one: neighbours answer meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from civitas import CivitasError, Runtime
from civitas.cluster.frames import CLUSTER_VERSION, Kind, pack
from tests.fire.harness import Fire, agent, running, system
from tests.fire.stranger import LOOPBACK, stranger

_BOUND = 5.0
"""Seconds for each answer of a neighbour; 99 in 100 come within a second."""
_INTRODUCTIONS = 3_000
_LINES = 50_000
_MESSAGES = 50_000


async def run(fire: Fire) -> None:
    """One flood after the other, until the time is over, and each once at least."""
    config = system(
        *(agent(name, "Plain", "w1") for name in ("talker", "near")),
        agent("slow", "Slow", "w1"),
        agent("far", "Plain", "w2"),
        agent("here", "Plain"),
        transport={"type": "zmq", "address": LOOPBACK, "keys": "none"},
    )
    rounds, waits = 0, list[float]()
    async with running(fire, config) as runtime:
        while not rounds or fire.burns:
            for flood in (_introduce(runtime), _talk(runtime), _send(fire, runtime, rounds)):
                waits += await _beside(fire, runtime, flood)
            rounds += 1
    ordered = sorted(waits)
    slowest = ordered[len(ordered) * 99 // 100]
    if slowest > 1.0:
        fire.fault(f"one in a hundred answers of a neighbour took {slowest:.1f} s or more")
    fire.row.notes = (
        f"{rounds * _INTRODUCTIONS:,} introductions, {rounds * _LINES:,} lines, {rounds * _MESSAGES:,} messages; "
        f"{len(waits):,} answers of neighbours, 99 % within {slowest * 1000:.0f} ms, the last in {ordered[-1]:.1f} s"
    )


async def _beside(fire: Fire, runtime: Runtime, flood: Coroutine[Any, Any, None]) -> list[float]:
    """The seconds that neighbours took to answer during a flood."""
    waits: list[float] = []
    flooding = asyncio.create_task(flood)
    while not flooding.done():
        for name in ("near", "far", "here"):
            began = time.monotonic()
            try:
                await runtime.ask(name, 1, timeout=60)
            except CivitasError as error:
                fire.row.unanswered += 1
                fire.fault(f"{name} did not answer: {type(error).__name__}: {error}"[:300])
            waits.append(time.monotonic() - began)
            fire.told(began, _BOUND)
        await asyncio.sleep(0.02)
    await flooding
    return waits


async def _introduce(runtime: Runtime) -> None:
    root: Any = runtime._node
    async with stranger() as other:
        link = other.connect(root.transport.address)
        who = {"version": CLUSTER_VERSION, "civitas": "0", "pid": 1, "pid_space": "", "token": ""}
        for n in range(_INTRODUCTIONS):
            hello = {**who, "name": f"w{n % 3}", "address": other.address, "joined": n % 2 == 0}
            link.send(pack(Kind.HELLO, f"{n}", hello, bytes(32)))
            if not n % 100:
                await asyncio.sleep(0)
        await link.flushed()
        link.close()


async def _talk(runtime: Runtime) -> None:
    payload = {"lines": _LINES, "text": "x" * 60}
    await runtime.ask("talker", payload, "print", timeout=120)


async def _send(fire: Fire, runtime: Runtime, rounds: int) -> None:
    for n in range(_MESSAGES):
        await runtime.send("slow", {"n": rounds * _MESSAGES + n}, timeout=None)
    fire.row.accepted += _MESSAGES
    counted = (await runtime.ask("slow", None, "count", timeout=120)).payload
    fire.row.handled += counted["count"] - rounds * _MESSAGES
    lost = (rounds + 1) * _MESSAGES - counted["count"]
    fire.row.lost += max(0, lost)
    fire.row.disorder += not counted["in_order"]
    if lost or not counted["in_order"]:
        fire.fault(f"of a flood of messages {lost} are missing; in order: {counted['in_order']}")
