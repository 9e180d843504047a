"""Every worker is killed in turn, at random moments, while chains of sends and asks go through all of them."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress

from civitas import Runtime
from tests.fire.harness import SETTLE, Fire, processes, running, until
from tests.fire.load import chained, chains, everything_up

_EVERY = 0.2, 1.2
"""Seconds from one kill to the next, at least and at most; a worker may be killed while it starts."""


async def run(fire: Fire) -> None:
    """Kill while the chains run, then wait for what was accepted."""
    async with running(fire, chained(fire)) as runtime:
        killing = asyncio.create_task(_kill(fire, runtime))
        await chains(fire, runtime)
        killed = await killing
        await fire.settled()
        if not await everything_up(runtime):
            fire.fault(f"not all came back: {sorted(processes(runtime))}")
    fire.row.notes = f"{killed} kills of five processes"


async def _kill(fire: Fire, runtime: Runtime) -> int:
    killed = 0
    while fire.burns:
        up = processes(runtime)
        for name in fire.random.sample(sorted(up), len(up)):
            await asyncio.sleep(fire.random.uniform(*_EVERY))
            pid = processes(runtime).get(name)
            if pid is not None and fire.burns:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        await asyncio.sleep(_EVERY[0])
        # On a machine where a process takes longer to start than its turn to come again, none would ever be up.
        waiting = fire.asking.copy()
        await until(lambda: not fire.burns or not waiting & fire.asking, SETTLE)  # noqa: B023
    return killed
