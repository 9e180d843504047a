"""More messages than an agent elsewhere can handle: all arrive, memory is bounded, and neighbours are served."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path

import pytest

from civitas import Runtime
from tests.integration.processes.system import Events, agent, pid_of, topology

MESSAGES = int(os.environ.get("CIVITAS_TEST_FLOOD", "200_000"))


def resident(pid: int) -> int:
    """MiB that a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


@pytest.mark.promise(id="SEM-914")
@pytest.mark.slow
async def test_a_flood_is_handled_in_order_in_bounded_memory_while_a_neighbour_answers():
    config = topology(agent("slow", "w", "Slow"), agent("neighbour", "w"))
    async with Runtime.from_config(config) as runtime:
        events = Events(runtime)
        pids = os.getpid(), pid_of(runtime, "slow")
        await runtime.ask("neighbour", 0, "echo")
        before = [resident(pid) for pid in pids]
        most = list(before)
        waits: list[float] = []
        flooding = True

        async def flood() -> None:
            nonlocal flooding
            for n in range(MESSAGES):
                await runtime.send("slow", {"n": n, "text": "hello" * 20}, timeout=None)
            flooding = False

        async def look() -> None:
            while flooding:
                began = time.perf_counter()
                await runtime.ask("neighbour", 1, "echo")
                waits.append(time.perf_counter() - began)
                most[:] = [max(pair) for pair in zip(most, map(resident, pids), strict=True)]
                await asyncio.sleep(0.02)

        await asyncio.gather(flood(), look())
        counted = (await runtime.ask("slow", None, "count")).payload
        assert counted == {"count": MESSAGES, "in_order": True}
        assert events.reasons() == []
        grown = [after - start for after, start in zip(most, before, strict=True)]
        assert max(grown) < 32, grown
        assert sorted(waits)[len(waits) * 99 // 100] < 1.0
