"""Workers are stopped and go on, before and after `node_timeout` and `hang_timeout`, while chains go through them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from civitas import Runtime
from tests.fire.harness import Fire, processes, running
from tests.fire.load import chained, chains, everything_up

_TIMEOUT = 2.0
_SHORT = 0.05, 1.0
_LONG = 2.5, 4.0
"""Seconds of a stop; a long one is a death to the root, and what goes on then must not be heard."""


async def run(fire: Fire) -> None:
    """Stop and let go on while the chains run, then wait for what was accepted."""
    config = chained(
        fire,
        runtime={"node_timeout": _TIMEOUT},
        processes={name: {"hang_timeout": _TIMEOUT} for name in ("w1", "w2", "w4")},
    )
    async with running(fire, config) as runtime:
        stopping = asyncio.create_task(_stop(fire, runtime))
        await chains(fire, runtime)
        times = await stopping
        await fire.settled()
        if not await everything_up(runtime):
            fire.fault(f"not all came back: {sorted(processes(runtime))}")
    fire.row.notes = f"{times[0]} short stops and {times[1]} long ones of five processes"


async def _stop(fire: Fire, runtime: Runtime) -> list[int]:
    times = [0, 0]
    while fire.burns:
        await asyncio.sleep(fire.random.uniform(0.1, 1.0))
        up = processes(runtime)
        if not up:
            continue
        pid = up[fire.random.choice(sorted(up))]
        long = fire.random.random() < 1 / 3
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGSTOP)
            times[long] += 1
            await asyncio.sleep(fire.random.uniform(*(_LONG if long else _SHORT)))
            os.kill(pid, signal.SIGCONT)
    return times
